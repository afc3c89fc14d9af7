import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { Broadcaster } from 'ts-broadcaster'
import { adminHandler } from 'ts-broadcaster/admin'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { memorySubscription } from 'ts-broadcaster/testing'
import { ROUTES } from '../../src/admin-http/api-routes.ts'
import type { AuditAnswer } from '../../src/admin-http/api-types.ts'
import { root } from '../project/source-files.ts'
import { type Answer, asking, BY_TOKEN, TOKENS } from './desk.ts'

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> }
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties?: object }>> }
}

const letter = {
  id: 'a',
  event: undefined,
  problem: new Error('no JSON'),
  body: new Uint8Array([1]),
  consumer: 'billing',
}
const place = {
  description: 'memory',
  list: async () => [{ ...letter, error: 'E: no', attempts: 3, position: 'events 1' }],
  requeue: async () => true,
  close: async () => undefined,
}
const broadcaster = new Broadcaster({
  name: 'shop',
  store: memoryStore(),
  backends: { default: memoryBackend(), partners: memoryBackend() },
  subscriptions: { billing: { ...memorySubscription(), deadLetterPlace: () => place } },
  logger: false,
})
after(() => broadcaster.close())
await broadcaster.store.schema.migrate()
const planted = { type: 'order.created', source: '/orders', data: { total: 2, note: 'text' }, partitionKey: '42' }
const failed = await broadcaster.events.create(planted)
await broadcaster.events.create(planted)
await broadcaster.events.markAsFailed(failed.id, 'connect failed [ECONNREFUSED]')
const ask = asking(adminHandler(broadcaster, BY_TOKEN))
const document = (await ask('api/openapi.json', { as: 'viewer' })).json<Document>()

const operations = Object.entries(document.paths).flatMap(([path, { parameters: _, ...own }]) =>
  Object.entries(own).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
)
const nameOf = ({ method, path }: { readonly method: string; readonly path: string }): string => `${method} ${path}`

/** Answers as strict as they can be: a member that the document does not know is a mistake of the document. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict)
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, strict(one)]))
  return copy['type'] === 'object' && 'properties' in copy ? { additionalProperties: false, ...copy } : copy
}

const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false })
formats.default(ajv)
ajv.addSchema(strict(document) as object, 'document')

/** What a schema of the document says. */
function checkOf(schema: object): ValidateFunction {
  const text = JSON.stringify(strict(schema)).replaceAll('"#/', '"document#/')
  return ajv.compile(JSON.parse(text) as object)
}

function assertFits(answer: Answer, operation: Operation, label: string): void {
  const isProblem = answer.status !== 200
  const { content = {} } = isProblem ? { content: PROBLEM } : (operation.responses['200'] ?? {})
  const [type = '', { schema = {} } = {}] = Object.entries(content)[0] ?? []
  assert.equal((answer.headers.get('content-type') ?? '').split(';')[0], type, label)
  const check = checkOf(schema)
  assert.ok(check(answer.json()), `${label}: ${ajv.errorsText(check.errors)}\n${answer.text.slice(0, 500)}`)
}

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemAnswer' } } }

test('the document is OpenAPI 3.1', () => {
  const file = join(root, 'node_modules/@seriousme/openapi-schema-validator/schemas/v3.1/schema.json')
  const meta = new Ajv2020({ strict: false, allErrors: true })
  formats.default(meta)
  meta.addFormat('media-range', true)
  const check = meta.compile(JSON.parse(readFileSync(file, 'utf8')) as object)
  assert.ok(check(document), meta.errorsText(check.errors))
  assert.ok(!check({ ...document, info: { title: 'no version' } }), 'the meta schema refuses something')
})

test('each schema is one of JSON Schema 2020-12, and each reference leads somewhere', () => {
  const judge = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true })
  formats.default(judge)
  judge.addVocabulary(['openapi', 'info', 'servers', 'security', 'paths', 'components'])
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    assert.ok(judge.validateSchema(schema), `${name}: ${judge.errorsText(judge.errors)}`)
  }
  const { schemas } = document.components
  const named = new Set(Object.keys(schemas))
  const texts = JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)
  assert.deepEqual(
    Array.from(texts, ([, name = '']) => name).filter((name) => !named.has(name)),
    [],
  )
})

describe('the document and the handler know the same calls', () => {
  test('each route is in the document, with its parameters, and nothing else is', () => {
    const known = ROUTES.map(({ method, path }) => nameOf({ method, path: `/${path}` }))
    assert.deepEqual(operations.map(nameOf).sort(), known.sort())
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.equal(new Set(ids).size, ids.length)
  })

  for (const { path, method, operation } of operations) {
    test(`${method} ${path}`, async () => {
      const call = `api${path.replaceAll(/\{\w+\}/g, '0198c2a0-7c1e-7000-8000-000000000000')}`
      // A parameter and a member that nobody knows: so nothing is done, and the answer says what is known.
      const bodiless = method === 'GET' ? {} : { body: '{"no such member":1}' }
      if (operation.responses['200']?.content?.['text/event-stream'] === undefined) {
        const { status, text } = await ask(call, { as: 'admin', method, ...bodiless })
        assert.notEqual(status, 405, text)
        assert.doesNotMatch(text, /There is no such call/)
        if (operation.requestBody && status === 400) {
          const { schema = {} } = operation.requestBody.content['application/json'] ?? {}
          const taken = /it takes ([\w, ]+)\./.exec(text)?.[1]?.split(', ') ?? []
          const members = Object.keys(resolved(schema).properties ?? {})
          assert.deepEqual(members.sort(), taken.filter((name) => name !== 'none').sort())
        }
      }
      const wrong = await ask(`${call}?unknown=1`, { as: 'admin', method, ...bodiless })
      const names = ['outbox', ...operation.parameters.map(({ name }) => name)]
      assert.match(wrong.text, new RegExp(`it takes ${names.join(', ')}\\.`))
    })
  }

  function resolved(schema: object): { readonly properties?: object } {
    const name = '$ref' in schema ? String(schema.$ref).split('/').at(-1) : undefined
    return name === undefined ? schema : (document.components.schemas[name] ?? {})
  }
})

test('a method that the document does not name is refused', async () => {
  const byPath = Map.groupBy(operations, ({ path }) => path)
  for (const [path, own] of byPath) {
    const call = `api${path.replaceAll(/\{\w+\}/g, 'x')}`
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      if (own.some((one) => one.method === method)) continue
      assert.equal((await ask(call, { as: 'admin', method })).status, 405, `${method} ${path}`)
    }
  }
})

test('each call answers what the document says', async () => {
  const backend = 'default'
  const seen = new Set<string>()
  const fits = async (path: string, values: Readonly<Record<string, string | number>> = {}, body?: object) => {
    const method = body === undefined ? 'GET' : 'POST'
    const { q, ...parts } = values
    const call = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts[name])))
    const query = q === undefined ? '' : `?q=${encodeURIComponent(q)}`
    const given = body === undefined ? {} : { body: JSON.stringify(body) }
    const answer = await ask(`api${call}${query}`, { as: 'admin', method, ...given })
    const found = operations.find((one) => one.path === path && one.method === method)
    assert.ok(found, `${method} ${path}`)
    assert.equal(answer.status, 200, `${method} ${path}: ${answer.text}`)
    assertFits(answer, found.operation, `${method} ${path}`)
    const sent = found.operation.requestBody?.content['application/json']?.schema
    if (sent && body) assert.ok(checkOf(sent)(body), `the body of ${method} ${path}`)
    seen.add(nameOf(found))
    return answer.json<Readonly<Record<string, unknown>>>()
  }
  await fits('/session')
  await fits('/status')
  await fits('/backends')
  await fits('/keys')
  await fits('/findings')
  await fits('/storage')
  await broadcaster.transaction((tx) => broadcaster.inbox.once(tx, 'mail', { source: '/s', id: '1' }, () => undefined))
  await fits('/inbox')
  await fits('/openapi.json')
  await fits('/events', { q: 'data:"text"' })
  await fits('/events/count', { q: 'data:"text"' })
  await fits('/events/{id}', { id: failed.id })
  await fits('/suggest', { q: 'status:' })
  const kept = await fits('/filters', {}, { q: 'status:failed' })
  await fits('/filters/{id}', { id: String(kept['id']) })
  await fits('/flow')
  await fits('/flow', { query: '?range=24h&backend=main' })
  await fits('/outages')
  await fits('/failures')
  await fits('/backends/{name}/pause', { name: backend }, { reason: 'test' })
  await fits('/backends', {})
  await fits('/status')
  await fits('/backends/{name}/resume', { name: backend }, {})
  await fits('/backends/{name}/close-breaker', { name: backend }, { destination: 'a' })
  await fits('/backends/{name}/test-event', { name: backend }, {})
  const { id: number } = await fits('/operations', {}, { do: 'requeue', q: 'status:failed', rate: 5, reason: 'fixed' })
  for (const what of ['pause', 'resume', 'cancel']) {
    await fits(`/operations/{number}/${what}`, { number: Number(number) }, {})
  }
  await fits('/operations')
  await fits('/operations/{number}', { number: Number(number) })
  await fits('/actions/requeue', {}, { q: 'status:failed', dryRun: true })
  await fits('/actions/skip', {}, { ids: [failed.id] })
  await fits('/actions/requeue', {}, { ids: [failed.id], reason: 'fixed' })
  await fits('/actions/reschedule', {}, { ids: [failed.id], at: new Date(Date.now() + 60_000).toISOString() })
  await fits('/events/{id}/correct', { id: failed.id }, { data: { total: 1 }, reason: 'typing mistake' })
  await fits('/actions/replay', {}, { q: 'type:order.*', to: 'partners' })
  await fits('/actions/cancel', {}, { q: 'type:order.*' })
  await fits('/actions/delete', {}, { ids: [failed.id] })
  await fits('/consumers')
  await fits('/consumers/{name}/dead-letters', { name: letter.consumer })
  await fits('/consumers/{name}/requeue', { name: letter.consumer }, { ids: [letter.id] })
  const { audit } = (await fits('/audit')) as unknown as AuditAnswer
  const undoable = audit.find(({ what }) => what === 'pause')
  await fits('/audit/{number}/undo', { number: Number(undoable?.id) }, { reason: 'a mistake' })
  await fits('/login', {}, { token: TOKENS.viewer })
  await fits('/logout', {}, {})
  const missing = operations.map(nameOf).filter((name) => !seen.has(name))
  // A stream has no schema here.
  assert.deepEqual(missing, ['GET /live'])
})

test('each problem is as the document says', async () => {
  const [first] = operations
  assert.ok(first)
  for (const [call, options] of [
    ['status', {}],
    ['events?q=status:nope', { as: 'viewer' }],
    ['events?after=x', { as: 'viewer' }],
    ['inbox?after=x', { as: 'viewer' }],
    ['events/x', { as: 'viewer' }],
    ['actions/delete', { as: 'viewer', body: '{}' }],
    ['status', { as: 'viewer', method: 'PUT' }],
  ] as const) {
    const answer = await ask(`api/${call}`, options)
    assert.notEqual(answer.status, 200)
    assertFits(answer, first.operation, call)
  }
})

test('the check finds an answer that does not fit', () => {
  const check = checkOf({ $ref: '#/components/schemas/Bounded' })
  assert.ok(check({ count: 1, more: false }))
  for (const wrong of [{ count: 1 }, { count: '1', more: false }, { count: 1, more: false, surplus: 1 }]) {
    assert.ok(!check(wrong), JSON.stringify(wrong))
  }
})
