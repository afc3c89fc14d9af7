import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { skipWithoutChromium } from '../support/chromium.ts'
import { type AdminPages, adminPages, TOKENS } from './admin-pages.ts'
import { Walk } from './walk.ts'

describe('the states of the pages', { skip: skipWithoutChromium(), concurrency: false }, () => {
  let pages: AdminPages
  before(async () => {
    pages = await adminPages({ more: { allow: (_user, _action, _outbox) => isAllowed } })
  })
  after(() => pages?.close())
  let isAllowed = true
  const start = (token: string = TOKENS.operator): Promise<Walk> => Walk.start(pages.browser, pages.proxy.url, token)

  test('signing in: a wrong token is refused, a right one leads to where one wanted to go', async () => {
    const context = await pages.browser.newContext()
    const page = await context.newPage()
    await page.goto(`${pages.proxy.url}failures`)
    await page.getByLabel('Token').fill('not-the-token-at-all')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('Not signed in').waitFor()
    await page.getByLabel('Token').fill(TOKENS.viewer)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: /failed events/ }).waitFor()
    assert.equal(new URL(page.url()).pathname, '/ops/outbox/failures')
    await context.close()
  })

  test('a viewer sees each button, off, with the reason', async () => {
    const walk = await start(TOKENS.viewer)
    await walk.open('keys')
    const button = walk.page.getByRole('button', { name: 'Requeue it' }).first()
    await button.waitFor()
    assert.equal(await button.getAttribute('aria-disabled'), 'true')
    assert.equal(await button.getAttribute('title'), 'needs the role operator')
    await button.click({ force: true })
    assert.equal(await walk.page.locator('.toast').count(), 0)
    await walk.isAccessible('for a viewer')
    walk.isQuiet()
    await walk.close()
  })

  test('what one may not see says who one is, and who gives the right', async () => {
    const walk = await start()
    isAllowed = false
    try {
      await walk.open('failures')
      await walk.page.getByText('You have no right to see the failures').waitFor()
      await walk.isAccessible('forbidden')
    } finally {
      isAllowed = true
    }
    await walk.close()
  })

  test('loading shows bones, and a slow answer says so and can be stopped', async () => {
    const walk = await start()
    pages.proxy.delays.set('/api/failures', 60_000)
    await walk.open('failures')
    await walk.page.locator('.bones:not(.bones--not-yet)').waitFor()
    await walk.isAccessible('loading')
    await walk.page.getByText('Still reading the failures').waitFor()
    await walk.isAccessible('slow')
    await walk.page.getByRole('button', { name: 'Stop' }).click()
    await walk.page.getByRole('heading', { name: 'Stopped' }).waitFor()
    pages.proxy.delays.clear()
    await walk.page.getByRole('button', { name: 'Ask again' }).click()
    await walk.heading(/failed events/)
    walk.isQuiet()
    await walk.close()
  })

  test('a broken part says so, and the rest of the page goes on', async () => {
    const walk = await start()
    pages.proxy.broken.add('/api/findings')
    await walk.open('storage')
    await walk.page.getByRole('alert').getByText('The findings could not be read').waitFor()
    await walk.isAccessible('broken')
    await walk.page.getByRole('heading', { name: 'Schema' }).waitFor()
    pages.proxy.broken.clear()
    await walk.page.getByRole('button', { name: 'Try again' }).click()
    await walk.page.getByRole('alert').waitFor({ state: 'detached' })
    await walk.close()
  })

  test('the overview and Doctor show what only a thorough look finds', async () => {
    const { schema } = pages.placed.store
    const { sizes } = schema
    schema.sizes = async () => [{ name: 'outbox_inbox', bytes: 2 ** 31, indexBytes: null, rows: null, indexes: [] }]
    try {
      const walk = await start()
      await walk.open('storage')
      // One of before may serve for five seconds.
      while ((await walk.page.getByText('the inbox takes 2').count()) === 0) {
        await walk.page.getByRole('button', { name: 'Look again' }).click()
        await walk.page.waitForTimeout(500)
      }
      await walk.open('')
      await walk.page.getByText('the inbox takes 2').waitFor()
      walk.isQuiet()
      await walk.close()
    } finally {
      if (sizes) schema.sizes = sizes
    }
  })

  test('without any answer the overview tells delivery apart from the view, and comes back', async () => {
    const walk = await start()
    for (const part of ['/api/status', '/api/live']) pages.proxy.broken.add(part)
    await walk.open('')
    await walk.page.getByText('Workers wait and go on by themselves; nothing is lost.').waitFor()
    await walk.isAccessible('no database')
    pages.proxy.broken.clear()
    await walk.heading(/events are stuck/)
    await walk.close()
  })

  test('the live feed is paused by a key, and a lost one is told and found again', async () => {
    const walk = await start()
    await walk.page.keyboard.press('p')
    await walk.page.locator('.live[data-live="paused"]').waitFor()
    await walk.page.keyboard.press('p')
    await walk.page.locator('.live[data-live="on"]').waitFor()
    pages.proxy.broken.add('/api/live')
    await walk.page.keyboard.press('p')
    await walk.page.keyboard.press('p')
    await walk.page.locator('.live[data-live="lost"]').waitFor()
    pages.proxy.broken.clear()
    await walk.page.locator('.live[data-live="on"]').waitFor()
    walk.isQuiet()
    await walk.close()
  })

  test('a filter with a mistake points at the character, and runs nothing', async () => {
    const walk = await start()
    await walk.open('events?q=status:faild')
    const mistake = walk.page.getByRole('alert')
    await mistake.getByText('faild').first().waitFor()
    assert.match(await mistake.innerText(), /at character 8: .*did you mean "failed"\?/i)
    assert.equal(await walk.page.getByRole('table').count(), 0)
    await walk.isAccessible('a mistake')
    const box = walk.page.getByRole('combobox', { name: 'Filter' })
    await box.fill('status:fa')
    await walk.page.getByRole('option', { name: 'status:failed' }).waitFor()
    await walk.isAccessible('suggestions')
    await box.press('ArrowDown')
    await box.press('Enter')
    assert.equal(await box.inputValue(), 'status:failed')
    await walk.close()
  })

  test('keys, theme, zone and columns', async () => {
    const walk = await start()
    const { page } = walk
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await walk.isAccessible('the list of keys')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    for (const [key, path] of Object.entries({ f: 'failures', k: 'keys', b: 'backends', a: 'audit', e: 'events' })) {
      await page.keyboard.press('g')
      await page.keyboard.press(key)
      await page.waitForURL(pages.proxy.url + path)
    }
    await page.getByRole('button', { name: 'Switch between dark and light' }).click()
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
    await page.getByRole('button', { name: /^Berlin/ }).click()
    await page.getByRole('button', { name: /^UTC/ }).waitFor()
    await page.getByRole('button', { name: 'Columns' }).click()
    await page.getByRole('checkbox', { name: 'Source' }).check()
    await page.keyboard.press('Escape')
    await page.reload()
    await page.getByRole('columnheader', { name: 'Source' }).waitFor()
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
    walk.isQuiet()
    await walk.close()
  })
})
