import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminHandler } from 'ts-broadcaster/admin'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import type { CorrectAnswer } from '../../src/admin-http/api-events.ts'
import type {
  ActionAnswer,
  BackendActionAnswer,
  OperationRow,
  StatusAnswer,
} from '../../src/admin-http/api-operations.ts'
import type { AuditAnswer, OperationsAnswer } from '../../src/admin-http/api-types.ts'
import { asking, BY_TOKEN, outboxInMemory } from './desk.ts'

const broadcaster = await outboxInMemory('operations')
const ask = asking(adminHandler(broadcaster, BY_TOKEN))
const start = (body: object, as: 'viewer' | 'operator' | 'admin' = 'operator') =>
  ask('api/operations', { as, body: JSON.stringify(body) })

await broadcaster.transaction((tx) =>
  broadcaster.publishMany(
    tx,
    Array.from({ length: 1_200 }, (_, n) => ({
      type: n % 2 ? 'odd' : 'even',
      source: '/op',
      partitionKey: `k${n % 9}`,
    })),
  ),
)

test('an operation on all that match is begun, paused, resumed and carried out, and the audit tells who did it', async () => {
  const begun = (
    await start({ do: 'cancel', q: 'type:odd source:/op', rate: 200, reason: 'sent twice' })
  ).json<OperationRow>()
  assert.deepEqual(
    [begun.do, begun.q, begun.state, begun.by, begun.total, begun.done, begun.rate],
    ['cancel', 'type:odd source:/op', 'running', 'otto', 600, 0, 200],
  )
  const { operations: running } = (await ask('api/status', { as: 'viewer' })).json<StatusAnswer>()
  assert.deepEqual(
    running?.map(({ id }) => id),
    [begun.id],
  )
  const runner = new OperationRunner(broadcaster.store)
  await runner.step()
  const act = async (what: string) =>
    (await ask(`api/operations/${begun.id}/${what}`, { as: 'operator', body: '{}' })).json<OperationRow>()
  assert.deepEqual([(await act('pause')).state, await runner.step()], ['paused', Number.POSITIVE_INFINITY])
  assert.equal((await act('resume')).state, 'running')
  assert.equal((await act('cancel')).state, 'cancelled')
  const { operations, next } = (await ask('api/operations', { as: 'viewer' })).json<OperationsAnswer>()
  assert.deepEqual([operations.map(({ id, done }) => [id, done]), next], [[[begun.id, 200]], null])
  assert.equal(await broadcaster.admin.count({ status: 'cancelled' }), 200)

  await start({ do: 'cancel', q: 'type:odd source:/op' })
  while (Number.isFinite(await runner.step()));
  assert.equal(await broadcaster.admin.count({ status: 'cancelled' }), 600)
  const { audit } = (await ask('api/audit?what=cancel', { as: 'viewer' })).json<AuditAnswer>()
  assert.deepEqual(
    audit.map(({ who, moved, outcome, reason }) => [who, moved, outcome, reason]),
    [
      ['otto', 400, 'done', null],
      ['otto', 200, 'stopped', 'sent twice'],
    ],
  )
})

test('a filter that names a key is shown to nobody who may not see keys', async () => {
  const { id, q } = (await start({ do: 'cancel', q: 'key:k1 status:pending' })).json<OperationRow>()
  assert.doesNotMatch(q, /k1/)
  const { text } = await ask(`api/operations/${id}`, { as: 'admin' })
  assert.doesNotMatch(text, /k1/)
  assert.doesNotMatch((await ask('api/audit', { as: 'admin' })).text, /key:k1/)
  await ask(`api/operations/${id}/cancel`, { as: 'operator', body: '{}' })
})

for (const [name, body, as, status, code] of [
  ['by who may only look', { do: 'cancel', q: 'type:odd' }, 'viewer', 403, 'FORBIDDEN'],
  ['that only an admin may do', { do: 'delete', q: 'type:odd' }, 'operator', 403, 'FORBIDDEN'],
  ['of a name that is none', { do: 'drop', q: 'type:odd' }, 'admin', 400, 'BAD_REQUEST'],
  ['on everything', { do: 'cancel', q: ' ' }, 'admin', 400, 'BAD_REQUEST'],
  ['with a mistake in the filter', { do: 'cancel', q: 'typ:odd' }, 'admin', 400, 'INVALID_FILTER'],
  ['by what no database compares', { do: 'cancel', q: 'data.total:>5' }, 'admin', 400, 'INVALID_FILTER'],
  ['at a rate that is none', { do: 'cancel', q: 'type:odd', rate: -1 }, 'admin', 400, 'BAD_REQUEST'],
  ['to a time that is none', { do: 'reschedule', q: 'type:odd', at: 'soon' }, 'admin', 400, 'BAD_REQUEST'],
] as const) {
  test(`an operation ${name} is refused`, async () => {
    const answer = await start(body, as)
    assert.deepEqual([answer.status, answer.json()['code']], [status, code])
  })
}

test('an operation that is not there is not found', async () => {
  for (const number of ['999', 'x', '-1', '1e3']) {
    assert.equal((await ask(`api/operations/${number}`, { as: 'viewer' })).status, 404)
  }
})
test('an event is corrected, by who may, and errors name the field', async () => {
  const old = await broadcaster.events.create({ type: 'order.wrong', source: '/c', data: { n: 1 }, partitionKey: 'c' })
  const correct = (body: string, as: 'viewer' | 'operator' = 'operator', id = old.id) =>
    ask(`api/events/${id}/correct`, { as, body })
  assert.equal((await correct('{"data":1}', 'viewer')).status, 403)
  for (const [body, field] of [
    ['{}', 'changes'],
    ['{"source":"not a uri"}', 'source'],
    ['{"data":1,"dataBase64":"AA=="}', 'dataBase64'],
    ['{"dataBase64":"%"}', 'dataBase64'],
    ['{"extensions":{"Bad":1}}', 'extensions.Bad'],
    ['{"partitionKey":"x"}', 'partitionKey'],
    ['{"data":1,"reason":5}', 'reason'],
  ] as const) {
    const answer = await correct(body)
    assert.deepEqual([answer.status, answer.json()['field']], [400, field], body)
  }
  const answer = await correct('{"data":{"n":12345678901234567890},"reason":"the number"}')
  assert.equal(answer.status, 200, answer.text)
  const { id, corrects } = answer.json<CorrectAnswer>()
  assert.equal(corrects, old.id)
  const event = await broadcaster.admin.get(id)
  assert.equal(event.dataJson, '{"n":12345678901234567890}')
  assert.equal((await broadcaster.admin.get(old.id)).status, 'cancelled')
  const again = await correct('{"data":1}')
  assert.deepEqual([again.status, again.json()['code']], [409, 'CONFLICT'])
  assert.equal((await correct('{"data":1}', 'operator', '0198c2a0-7c1e-7000-8000-000000000000')).status, 404)
  const { audit } = (await ask('api/audit?what=correct', { as: 'viewer' })).json<AuditAnswer>()
  assert.deepEqual([audit[0]?.who, audit[0]?.reason], ['otto', 'the number'])
})

test('published events are replayed to another backend, at once and in the background', async () => {
  const event = await broadcaster.events.create({ type: 'order.sent', source: '/r' }, { backend: 'default' })
  await event.markAsPublished()
  const q = 'type:order.sent backend:default'
  const replay = (body: object) => ask('api/actions/replay', { as: 'operator', body: JSON.stringify(body) })
  for (const [body, status, field] of [
    [{ q, to: 'partner' }, 404, 'to'],
    [{ q, to: 5 }, 400, 'to'],
  ] as const) {
    const answer = await replay(body)
    assert.deepEqual([answer.status, answer.json()['field']], [status, field])
  }
  const cancel = await ask('api/actions/cancel', { as: 'operator', body: JSON.stringify({ q, to: 'partners' }) })
  assert.equal(cancel.status, 400)
  assert.equal((await replay({ ids: [event.id], to: 'partners' })).json<ActionAnswer>().moved, 1)
  const copy = await broadcaster.admin.get({ publisherBackend: 'partners', eventId: event.id })
  assert.equal(copy.status, 'pending')
  await copy.markAsPublished()
  const begun = (await start({ do: 'replay', q, to: 'partners' })).json<OperationRow>()
  assert.deepEqual([begun.do, begun.to], ['replay', 'partners'])
  const runner = new OperationRunner(broadcaster.store)
  while (Number.isFinite(await runner.step()));
  const again = await broadcaster.admin.get(copy.id)
  assert.deepEqual([again.status, again.extensions], ['pending', { replay: begun.id }])
  for (const body of [
    { do: 'cancel', q, to: 'partners' },
    { do: 'replay', q, to: 5 },
  ]) {
    assert.equal((await start(body)).status, 400)
  }
})

test('a test event is sent to a backend, by who may', async () => {
  const send = (backend: string, as: 'viewer' | 'operator', body = '{"reason":"new broker"}') =>
    ask(`api/backends/${backend}/test-event`, { as, body })
  assert.equal((await send('partners', 'viewer')).status, 403)
  assert.equal((await send('partner', 'operator')).status, 404)
  assert.equal((await send('partners', 'operator', '{"data":1}')).status, 400, 'what it takes')
  const { done, eventId } = (await send('partners', 'operator')).json<BackendActionAnswer>()
  assert.equal(done, true)
  const { eventType, publisherBackend } = await broadcaster.admin.get(eventId ?? '')
  assert.deepEqual([eventType, publisherBackend], ['ts-broadcaster.test', 'partners'])
  const { audit } = (await ask('api/audit?what=test-event', { as: 'viewer' })).json<AuditAnswer>()
  assert.deepEqual([audit[0]?.who, audit[0]?.reason], ['otto', 'new broker'])
})

test('a cancel is undone over HTTP, under the name of who asked for it, by an operator and no viewer', async () => {
  const event = await broadcaster.events.create({ type: 'undo.me', source: '/op' })
  const body = JSON.stringify({ ids: [event.id] })
  await ask('api/actions/cancel', { as: 'operator', body })
  const newest = async () => (await ask('api/audit', { as: 'viewer' })).json<AuditAnswer>().audit[0]
  const entry = await newest()
  assert.deepEqual([entry?.what, entry?.undoable], ['cancel', true])
  const undo = (as: 'viewer' | 'operator', number = entry?.id, more = {}) =>
    ask(`api/audit/${number}/undo`, { as, body: JSON.stringify(more) })
  assert.equal((await undo('viewer')).status, 403)
  assert.equal((await undo('operator', 'x')).status, 404)
  assert.equal((await undo('operator', '999999')).status, 404)
  assert.equal((await undo('operator', entry?.id, { after: 'x' })).json()['code'], 'INVALID_CURSOR')
  assert.deepEqual((await undo('operator')).json(), { undone: 1, tooLate: 0, unknown: 0, goOn: null })
  assert.equal((await broadcaster.admin.get(event.id)).status, 'pending')
  const undone = await newest()
  assert.deepEqual([undone?.who, undone?.what, undone?.moved, undone?.undoable], ['otto', 'undo', 1, false])
  assert.equal((await undo('operator', undone?.id)).status, 409)
})

test('who may not resume or requeue does not come by it in an undo', async () => {
  const event = await broadcaster.events.create({ type: 'undo.me', source: '/op' })
  await broadcaster.admin.cancel(event.id)
  await broadcaster.admin.pause('partners')
  const [pause, cancel] = await broadcaster.admin.audit({ limit: 2 })
  const undo = (to: typeof ask, entry = pause) =>
    to(`api/audit/${entry?.id}/undo`, { as: 'operator', body: JSON.stringify({}) })
  const allow = (_: unknown, action: string) => action !== 'resume' && action !== 'requeue'
  const strict = asking(adminHandler(broadcaster, { ...BY_TOKEN, allow }))
  for (const entry of [pause, cancel]) assert.equal((await undo(strict, entry)).status, 403)
  assert.deepEqual(
    [(await broadcaster.admin.pauses()).length, (await broadcaster.admin.get(event.id)).status],
    [1, 'cancelled'],
  )
  for (const entry of [pause, cancel]) assert.equal((await undo(ask, entry)).json()['undone'], 1, 'the control')
})
