import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { canMove, STATUSES } from '../../src/record/status.ts'
import { root } from './source-files.ts'

const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')

test('what the page says to look for is there, in two files at most', () => {
  const rows = page.match(/^\| .*\]\(\.\.\/src\/.* \| `[^`]+` \|$/gm) ?? []
  assert.ok(rows.length >= 10, `${rows.length} rows`)
  for (const row of rows) {
    const files = [...row.matchAll(/\]\(\.\.\/(src\/[^)]+)\)/g)].map(([, file = '']) => file)
    const word = /`([^`]+)` \|$/.exec(row)?.[1] ?? ''
    assert.ok(files.length <= 2, row)
    const texts = files.map((file) => readFileSync(join(root, file), 'utf8'))
    assert.ok(
      texts.some((text) => text.includes(word)),
      `none of ${files.join(', ')} has ${word}`,
    )
  }
})

test('the diagram of the record has the legal moves, and no others', () => {
  const [, diagram = ''] = /```mermaid\n(stateDiagram-v2\n[\s\S]*?\[\*\] --> pending[\s\S]*?)```/.exec(page) ?? []
  const drawn = Array.from(diagram.matchAll(/^ *(\w+) --> (\w+):/gm), ([, from, to]) => `${from} -> ${to}`)
  const legal = STATUSES.flatMap((from) => STATUSES.filter((to) => canMove(from, to)).map((to) => `${from} -> ${to}`))
  assert.deepEqual(drawn.sort(), legal.sort())
})
