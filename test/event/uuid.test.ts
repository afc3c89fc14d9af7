import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalUuid, uuidFromHex, uuidV7 } from '../../src/event/uuid.ts'

const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('a UUID of version 7 has the layout of RFC 9562 and its time', () => {
  const before = Date.now()
  const id = uuidV7()
  assert.match(id, V7)
  const time = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
  assert.ok(time >= before && time <= Date.now(), `${time}`)
})

test('ids sort as they were made, within a millisecond, past its 4096 and when the clock goes back', () => {
  const now = Date.now() + 1000
  const ids: string[] = []
  for (let n = 0; n < 20_000; n++) ids.push(uuidV7(now))
  for (let n = 0; n < 100; n++) ids.push(uuidV7(now - 60_000))
  assert.equal(
    ids.findIndex((id, n) => n > 0 && id <= (ids[n - 1] ?? '')),
    -1,
  )
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.every((id) => V7.test(id)))
})

test('canonical form, hex form and back', () => {
  const id = uuidV7()
  assert.equal(canonicalUuid(id), id)
  assert.equal(uuidFromHex(id.replaceAll('-', '')), id)
  assert.equal(canonicalUuid(id.toUpperCase()), id)
  assert.equal(canonicalUuid(id.replaceAll('-', '').toUpperCase()), id)
  for (const bad of ['', 'x', `${id}0`, id.slice(1), id.replace('-', '_')])
    assert.equal(canonicalUuid(bad), undefined, bad)
})
