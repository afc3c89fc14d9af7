import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { takeWindow } from '../../src/cli/full-screen.ts'

test('a line that fills the window keeps its last character', () => {
  const written: string[] = []
  const output = Object.assign(new EventEmitter(), { columns: 5, rows: 2, write: (text: string) => written.push(text) })
  const input = Object.assign(new PassThrough(), { setRawMode: () => undefined })
  const window = takeWindow(input as never, output as never, ({ text }) => text)
  window.draw([{ text: '12345' }, { text: 'abcde' }])
  window.close()
  // The cursor stays on the last column: what clears from there would take it.
  assert.equal(written[1], '\x1b[H\x1b[K12345\r\n\x1b[Jabcde')
})
