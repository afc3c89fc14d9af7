import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertMove, canMove, displayStatus, isStatus, STATUSES, type Status } from '../../src/record/status.ts'

const MOVES: Readonly<Record<Status, string>> = {
  pending: 'processing published failed retry cancelled',
  processing: 'pending published failed retry cancelled',
  retry: 'pending processing published failed retry cancelled',
  failed: 'pending published cancelled',
  published: 'pending',
  cancelled: 'pending published',
}

test('each status may become exactly these', () => {
  for (const from of STATUSES) {
    for (const to of STATUSES) {
      const legal = MOVES[from].split(' ').includes(to)
      assert.equal(canMove(from, to), legal, `${from} -> ${to}`)
      if (legal) assertMove(from, to)
      else
        assert.throws(() => assertMove(from, to), {
          code: 'ILLEGAL_STATUS_MOVE',
          message: new RegExp(`${from} cannot become ${to}`),
        })
    }
  }
})

test('names', () => {
  assert.deepEqual(STATUSES.map(displayStatus), ['Pending', 'Processing', 'Published', 'Failed', 'Retry', 'Cancelled'])
  assert.ok(STATUSES.every(isStatus))
  for (const other of ['Pending', '', null, 1, 'toString']) assert.equal(isStatus(other), false)
})
