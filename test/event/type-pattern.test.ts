import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileTypePattern } from '../../src/event/type-pattern.ts'

const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['order.created', ['order.created'], ['order.created2', 'Order.created', 'order_created']],
  ['*', ['a', 'a.b.c'], []],
  ['order.*', ['order.created', 'order.line.added'], ['order', 'order.', 'orders.created', 'x.order.created']],
  ['order*', ['orders', 'order.created'], ['order', 'xorder.']],
  ['order.*.done', ['order.line.done'], ['order.done', 'order..done', 'order.a.b.done', 'order.line.done.x']],
  ['*.created', ['order.created'], ['a.b.created', '.created', 'created']],
  ['*.line.*', ['order.line.added', 'order.line.a.b'], ['line.added', 'a.b.line.c']],
  ['order-*.done', ['order-x.done'], ['order-.done', 'order-x.y.done']],
  ['a+b.(c)[d]{e}|f^$\\?.*', ['a+b.(c)[d]{e}|f^$\\?.x'], ['aab.c']],
]

for (const [pattern, takes, leaves] of table) {
  test(pattern, () => {
    const matches = compileTypePattern(pattern)
    for (const type of takes) assert.equal(matches(type), true, `takes ${type}`)
    for (const type of leaves) assert.equal(matches(type), false, `leaves ${type}`)
  })
}

test('refused', () => {
  for (const pattern of ['', '**', 'a.**']) {
    assert.throws(() => compileTypePattern(pattern), { code: 'INVALID_OPTION', field: 'type' })
  }
})
