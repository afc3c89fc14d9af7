import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answered, patientCleaning, patientCoordination, patientRelay } from '../../src/relay/patient-store.ts'
import type { Cleaned } from '../../src/relay/retention.ts'
import type { CoordinationStore } from '../../src/store/coordination-store.ts'
import type { RelayStore } from '../../src/store/relay-store.ts'

/** Whatever is asked of it, no answer comes. */
function silent(): unknown {
  return new Proxy(() => new Promise(() => undefined), { get: () => silent() })
}

type Methods = Readonly<Record<string, unknown>>

/** Names of what has an end, and of what has none. */
async function ends(store: object, before = ''): Promise<readonly (readonly [string, boolean])[]> {
  const all: (readonly [string, boolean])[] = []
  for (const [name, method] of Object.entries(store as Methods)) {
    if (typeof method !== 'function') {
      all.push(...(await ends(method as object, `${before}${name}.`)))
      continue
    }
    const asked = (method() as Promise<unknown>).then(
      () => assert.fail('there is no answer'),
      (error: { readonly code?: unknown }) => assert.equal(error.code, 'STORE_UNAVAILABLE'),
    )
    const first = await Promise.race([
      asked.then(() => true),
      new Promise((resolve) => setTimeout(resolve, 250, false)),
    ])
    all.push([`${before}${name}`, first === true])
  }
  return all
}

test('each statement of a relay and a keeper has an end, but for transactions in which a handler works', async () => {
  const found = [
    ...(await ends(patientRelay(silent() as RelayStore, 5))),
    ...(await ends(patientCoordination(silent() as CoordinationStore, 5))),
    ...(await ends(patientCleaning(silent() as Cleaned, 1))),
  ]
  assert.ok(found.length > 20)
  assert.deepEqual(
    found.filter(([, isBounded]) => !isBounded).map(([name]) => name),
    ['settleInTransaction'],
  )
})

test('an answer in time is the answer', async () => {
  assert.equal(await answered(1_000, Promise.resolve(1)), 1)
  await assert.rejects(answered(1_000, Promise.reject(new Error('no'))), /^Error: no$/)
})
