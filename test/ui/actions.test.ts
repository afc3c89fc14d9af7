import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import { skipWithoutChromium } from '../support/chromium.ts'
import { skipWithout } from '../support/servers.ts'
import { type AdminPages, adminPages, TOKENS } from './admin-pages.ts'
import { BIG, HOSTILE, MANY } from './planted-outbox.ts'
import { Walk } from './walk.ts'

for (const [kind, skip] of [
  ['sqlite', skipWithoutChromium()],
  ['postgres', skipWithoutChromium() || skipWithout('postgres')],
] as const) {
  describe(`what is clicked is done, on ${kind}`, { skip, concurrency: false }, () => {
    let pages: AdminPages
    let walk: Walk
    before(async () => {
      pages = await adminPages({ kind })
      walk = await Walk.start(pages.browser, pages.proxy.url, TOKENS.admin)
    })
    after(async () => {
      await walk?.close()
      await pages?.close()
    })
    const count = async (where: string): Promise<number> =>
      Number((await pages.placed.look(`SELECT count(*) AS n FROM outbox_events WHERE ${where}`))[0]?.['n'])
    const button = (name: string | RegExp) => walk.page.getByRole('button', { name })

    test('Keys: a skip lets a key go on, a requeue sends the failed event first', async () => {
      await walk.open('keys')
      const row = (key: string) => walk.page.getByRole('row').filter({ hasText: key })
      await row('order-88102').getByRole('button', { name: 'Skip it' }).click()
      await walk.told('1 event skipped')
      await row('order-88102').waitFor({ state: 'detached' })
      await pages.drain()
      assert.equal(await count("partition_key = 'order-88102' AND status = 'published'"), 1)
      assert.equal(await count("partition_key = 'order-88102' AND status = 'failed'"), 1)

      pages.backends.analytics.faults.clear()
      await row('order-88103').getByRole('button', { name: 'Requeue it' }).click()
      await walk.told('1 event requeued')
      await pages.drain()
      const sent = pages.backends.analytics.events.filter(({ subject }) => subject === 'order-88103')
      assert.deepEqual(
        sent.map(({ type }) => type),
        ['order.placed', 'order.paid'],
      )
    })

    test('Events: everything that matches is requeued by the keyboard alone', async () => {
      await walk.open('events')
      await walk.heading('Events')
      const { keyboard } = walk.page
      await keyboard.press('/')
      await keyboard.type('status:failed type:cart.snapshot')
      await keyboard.press('Escape')
      await keyboard.press('/')
      await keyboard.press('Enter')
      await walk.page.getByRole('heading', { name: `${MANY} events` }).waitFor()
      await walk.page.evaluate('document.activeElement?.blur()')
      await keyboard.press('j')
      await keyboard.press('x')
      await walk.page.getByText('1 chosen').waitFor()
      await keyboard.press('X')
      await walk.page.getByText(`All ${MANY} that match`).waitFor()
      await keyboard.press('r')
      await walk.page.getByRole('dialog').getByText('Type').waitFor()
      await walk.isAccessible('the dialog')
      await walk.page
        .getByRole('dialog')
        .getByRole('heading', { name: `Requeue ${MANY} events?` })
        .waitFor()
      assert.equal(await button(`Requeue ${MANY} events`).isDisabled(), true, 'until the number is typed')
      await walk.page.getByLabel(`Type ${MANY} to go on`).and(walk.page.locator(':focus')).waitFor()
      await keyboard.type(String(MANY))
      await keyboard.press('Enter')
      await walk.told(`${MANY} events requeued`)
      assert.equal(await count("event_type = 'cart.snapshot' AND status = 'pending'"), MANY)
      await pages.drain()
      assert.equal(pages.backends.analytics.events.filter(({ type }) => type === 'cart.snapshot').length, MANY)
    })

    test('Failures: a group is requeued at once', async () => {
      await walk.open('failures')
      await walk.heading(/failed events?, 1 cause/)
      await button(/^Requeue \d+$/).click()
      await walk.told(/events? requeued/)
      await pages.drain()
      assert.equal(await count("status = 'failed'"), 0)
      await walk.heading('No failed event')
    })

    test('Backends: pause with a reason, undo, resume; a breaker is closed', async () => {
      await walk.open('backends')
      const backend = (name: string) => walk.page.getByRole('article', { name })
      await backend('default').getByRole('button', { name: 'Pause…' }).click()
      await walk.page.getByLabel('Why (for the audit)').fill('a look at the broker')
      await button('Pause default').click()
      await walk.told('default is paused')
      assert.deepEqual((await pages.broadcaster.admin.pauses()).map(({ backend }) => backend).sort(), [
        'billing',
        'default',
      ])
      await backend('default').getByText('“a look at the broker”').waitFor()
      await button('Undo').click()
      await walk.told('default is resumed')
      await button('Resume billing').click()
      await walk.told('billing is resumed')
      assert.deepEqual(await pages.broadcaster.admin.pauses(), [])
      await pages.drain()
      assert.equal(pages.backends.billing.events.length, 3)

      pages.backends.partners.faults.up()
      await backend('partners').getByRole('button', { name: 'Try now' }).click()
      await walk.told('breaker of partners closed')
      await pages.drain()
      assert.equal(pages.backends.partners.events.length, 5)
      await walk.heading('All 4 backends deliver')
      const partners = backend('partners')
      await partners.getByText('1 outage', { exact: true }).click()
      await partners.getByText('503 Service Unavailable').first().waitFor()
      await partners.getByText(/closed by \w+, after /).waitFor()
      await backend('default').locator('p', { hasText: 'Last 24 hours: no outage' }).waitFor()
    })

    test('Overview: what goes in and out lately, for an hour, a day or a week', async () => {
      await walk.open('')
      const rates = walk.page.getByRole('region', { name: 'In and out' })
      await rates.getByText('delivered a second').waitFor()
      await button('24 h').click()
      await rates.getByText('events a second, the last day').waitFor()
      assert.match(walk.page.url(), /\?range=24h$/)
      await button('1 h').click()
      await rates.getByText('events a second, the last hour').waitFor()
      const row = walk.page.getByRole('row', { name: /^partners/ })
      assert.match((await row.getByRole('cell').nth(5).textContent()) ?? '', /\d (ms|s)|ms|s/)
    })

    test('Event: cancel and its undo, reschedule, replay; data is exact and never rendered', async () => {
      const { page } = walk
      await walk.open('events?q=type:order.hostile')
      await page.getByRole('link', { name: 'order.hostile' }).click()
      await walk.heading(/^order\.hostile for/)
      await page.getByText(BIG).waitFor()
      assert.equal(await page.getByText(JSON.stringify(HOSTILE)).count(), 1)
      await walk.isAccessible('the event')
      await walk.fits('the event')
      await button('Reschedule…').click()
      await page.getByLabel('Due at').fill('2030-01-31T12:00')
      await button(/^Reschedule$/).click()
      await walk.told('1 event rescheduled')
      assert.equal(await count("event_type = 'order.hostile' AND scheduled_at > '2030-01-31 10:59:59'"), 1)
      await button('Cancel…').click()
      await button('Cancel 1 event').click()
      await walk.told('1 event cancelled')
      assert.equal(await count("event_type = 'order.hostile' AND status = 'cancelled'"), 1)
      await button('Requeue').click()
      await walk.told('1 event requeued')
      await pages.drain()
      await walk.open('events?q=type:order.hostile')
      await page.getByRole('link', { name: 'order.hostile' }).click()
      await button('Replay…').click()
      await button('Replay 1 event').click()
      await walk.told('1 event sent again')
      await pages.drain()
      const sent = pages.backends.default.events.filter(({ type }) => type === 'order.hostile')
      assert.equal(sent.length, 2)
      assert.equal(new Set(sent.map(({ id }) => id)).size, 1)
    })

    test('Event: a corrected one takes its place, with every digit of its numbers', async () => {
      const { page } = walk
      const exact = '{"big":9007199254740993127,"ok":true}'
      const wrong = await pages.broadcaster.events.create({
        type: 'order.wrong',
        source: '/shop',
        data: { ok: false },
        partitionKey: 'order-1',
      })
      await walk.open(`events/${wrong.id}`)
      await button('Correct…').click()
      await page.getByLabel('Data, as JSON').fill('{"ok": tru')
      assert.equal(await button('Send the corrected one').isDisabled(), true)
      await walk.isAccessible('the correction')
      await page.getByLabel('Data, as JSON').fill(exact)
      await page.getByLabel('Type').fill('order.right')
      await page.getByLabel('Why (for the audit)').fill('a typing mistake')
      await button('Send the corrected one').click()
      await walk.told('Corrected: this is the event in its place')
      await walk.heading(/^order\.right for order-1/)
      assert.equal(await count(`event_type = 'order.wrong' AND status = 'cancelled'`), 1)
      assert.equal(await count(`event_type = 'order.right' AND status = 'pending' AND partition_key = 'order-1'`), 1)
      const [corrected] = await pages.broadcaster.admin.filter({ eventType: 'order.right' }).include('data').all()
      assert.equal(corrected?.dataJson, exact)
      assert.equal(corrected?.extensions['correctionof'], wrong.id)
      await pages.drain()
    })

    test('Operations: dry run, confirm, progress, stop, and undo; a replay to another backend', async () => {
      const { page } = walk
      const many = 60
      await pages.broadcaster.transaction((tx) =>
        pages.broadcaster.publishMany(
          tx,
          Array.from({ length: many }, (_, n) => ({ type: 'bulk.made', source: '/shop', partitionKey: `bulk-${n}` })),
          { backend: 'default' },
        ),
      )
      const runner = new OperationRunner(pages.broadcaster.store)
      const begin = async (what: string, verb: string): Promise<void> => {
        await walk.open(`operations/new?do=${what}&q=type:bulk.made`)
        if (what === 'replay') await page.getByLabel('To', { exact: true }).selectOption('analytics')
        if (what === 'cancel') await page.getByLabel('At most, a second').fill('20')
        await button('Count what matches').click()
        await page.getByRole('heading', { name: `Dry run: ${many} events match` }).waitFor()
        await walk.isAccessible('the wizard')
        await page.getByLabel(/^To .* type 60$/).fill(String(many))
        await page.getByLabel('Why (for the audit)').fill('a test')
        await button(`${verb} ${many} events`).click()
        await walk.heading(/^Operation \d+$/)
      }
      await begin('cancel', 'Cancel')
      await runner.step()
      await page.getByText(`20 of ${many}`).waitFor()
      await button('Stop it').click()
      await walk.told(/^Operation \d+ stopped/)
      assert.equal(await count(`event_type = 'bulk.made' AND status = 'cancelled'`), 20)
      await button('Undo').click()
      await walk.told('20 events undone')
      assert.equal(await count(`event_type = 'bulk.made' AND status = 'pending'`), many)
      await walk.open('audit?what=undo')
      await page.getByRole('row').filter({ hasText: 'undo' }).first().waitFor()
      await pages.drain()
      assert.equal(await count(`event_type = 'bulk.made' AND status = 'published'`), many)

      await begin('replay', 'Replay')
      while (Number.isFinite(await runner.step()));
      await page.getByText(`${many} of ${many}`).waitFor()
      assert.equal(await count(`event_type = 'bulk.made' AND publisher_backend = 'analytics'`), many)
      await pages.drain()
      const there = pages.backends.analytics.events.filter(({ type }) => type === 'bulk.made')
      assert.equal(there.length, many)
    })

    test('Audit: a cancel is undone by its line', async () => {
      const event = await pages.broadcaster.events.create({ type: 'undo.me', source: '/shop' })
      await pages.broadcaster.admin.cancel(event.id, { by: 'otto' })
      await walk.open('audit?what=cancel')
      await walk.page
        .getByRole('row')
        .filter({ hasText: event.id.slice(-8) })
        .getByRole('button', { name: 'Undo' })
        .click()
      await walk.told('1 event undone')
      assert.equal(await count(`event_type = 'undo.me' AND status = 'pending'`), 1)
      await walk.isAccessible('the audit')
      await pages.drain()
    })

    test('an address shows no key, no data and no text of an error', async () => {
      const { page } = walk
      await walk.open('events')
      for (const filter of ['key:order-88001', 'data.id:order-88001', 'order-88001']) {
        await page.getByRole('combobox', { name: 'Filter' }).fill(filter)
        await page.keyboard.press('Escape')
        await button(/^Filter$/).click()
        await page.waitForURL(/q=(?:@|%40)/)
        assert.doesNotMatch(page.url(), /88001/)
        await page.getByRole('link', { name: 'order.placed' }).first().waitFor()
        await page.reload()
        await walk.until(async () => (await page.getByRole('combobox', { name: 'Filter' }).inputValue()) === filter)
        await walk.open('events')
      }
    })

    test('nothing was said on the console', () => walk.isQuiet())
  })
}
