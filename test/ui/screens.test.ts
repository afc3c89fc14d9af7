import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { skipWithoutChromium } from '../support/chromium.ts'
import { type AdminPages, adminPages, TOKENS } from './admin-pages.ts'
import { plantTraffic, takeScreenshot } from './screenshots.ts'
import { Walk } from './walk.ts'

/** Each screen: its address, its heading with data, and its heading in an empty outbox. */
const SCREENS: readonly (readonly [path: string, withData: RegExp, empty: RegExp])[] = [
  ['', /^\d+ events are stuck, in 3 places$/, /^(?:Everything is flowing|Nothing is stuck, but one thing is wrong)$/],
  ['events', /^Events$/, /^Events$/],
  ['failures', /^123 failed events, 2 causes$/, /^No failed event$/],
  ['keys', /^3 blocked keys, 4 events wait$/, /^No key is blocked$/],
  ['backends', /^2 of 4 backends deliver$/, /^All 4 backends deliver$/],
  ['scheduled', /^5 events not due yet$/, /^Nothing is scheduled$/],
  ['operations', /^Operations$/, /^Operations$/],
  ['audit', /^Audit$/, /^Audit$/],
  ['consumers', /^Consumers$/, /^Consumers$/],
  ['inbox', /^Inbox$/, /^Inbox$/],
  ['storage', /Storage|in the database/, /Storage|in the database/],
]

/** Whose empty state is made of parts of its own. */
const DIFFERENT = new Set(['', 'events', 'failures', 'keys', 'scheduled'])

const skip = skipWithoutChromium()

describe('the screens', { skip, concurrency: false }, () => {
  let pages: AdminPages
  before(async () => {
    pages = await adminPages()
    plantTraffic(pages.broadcaster.store.description.split(' in ').at(-1) ?? '')
  })
  after(() => pages?.close())

  test('show an outbox in trouble, to everybody: axe finds nothing, nothing sticks out, the console is quiet', async () => {
    const walk = await Walk.start(pages.browser, pages.proxy.url, TOKENS.operator)
    for (const [path, heading] of SCREENS) {
      await walk.open(path)
      await walk.heading(heading)
      await walk.settled()
      await walk.isAccessible(path)
      await walk.fits(path)
      await takeScreenshot(walk.page, `${path || 'overview'}-light`)
    }
    await walk.page.setViewportSize({ width: 1_024, height: 900 })
    for (const [path, heading] of SCREENS.filter(([path]) => ['', 'events', 'backends'].includes(path))) {
      await walk.open(path)
      await walk.heading(heading)
      await walk.fits(`${path} with a rail`)
    }
    walk.isQuiet()
    await walk.close()
  })

  test('are well in the dark and on a phone', async () => {
    const walk = await Walk.start(pages.browser, pages.proxy.url, TOKENS.operator, {
      width: 390,
      height: 844,
      colorScheme: 'dark',
    })
    for (const [path, heading] of SCREENS.slice(0, 5)) {
      await walk.open(path)
      await walk.heading(heading)
      await walk.fits(`${path} on a phone`)
      if (path === '' || path === 'events') await walk.isAccessible(`${path}, dark, on a phone`)
      await takeScreenshot(walk.page, `${path || 'overview'}-phone-dark`)
    }
    await walk.page.getByRole('button', { name: 'More' }).click()
    await walk.page.getByRole('dialog').getByRole('link', { name: 'Audit' }).click()
    await walk.heading('Audit')
    walk.isQuiet()
    await walk.close()
  })
})

describe('the screens of an empty outbox', { skip, concurrency: false }, () => {
  let pages: AdminPages
  before(async () => {
    pages = await adminPages({ isEmpty: true })
  })
  after(() => pages?.close())

  test('say why there is nothing, and what to do', async () => {
    const walk = await Walk.start(pages.browser, pages.proxy.url, TOKENS.admin)
    for (const [path, , heading] of SCREENS) {
      await walk.open(path)
      await walk.heading(heading)
      await walk.settled()
      if (DIFFERENT.has(path)) await walk.isAccessible(`${path}, empty`)
    }
    await walk.open('events')
    await walk.page.getByText('No event has been published yet').waitFor()
    await walk.open('events/0193d2a0-0000-7000-8000-0000000000ff')
    await walk.page.getByText('There is no event 0193d2a0').waitFor()
    assert.match(await walk.page.locator('.empty').innerText(), /made at 2024-12-/)
    walk.isQuiet()
    await walk.close()
  })
})
