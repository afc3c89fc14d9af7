import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../project/source-files.ts'

/**
 * Keeps a table of measured figures in `docs/guarantees.md`, between `<!-- figures: name -->` and `<!-- end -->`. With
 * BROADCASTER_WRITE_FIGURES=1 the rows just measured are written there, others of the table stay; without it every
 * row measured must have one there, whatever its figures.
 */
export function figureTable(name: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const file = join(root, 'docs/guarantees.md')
  const text = readFileSync(file, 'utf8')
  const [start, end] = [`<!-- figures: ${name} -->\n`, '<!-- end -->']
  const from = text.indexOf(start) + start.length
  const to = text.indexOf(end, from)
  assert.ok(from >= start.length && to >= from, `docs/guarantees.md has no place for the figures of ${name}`)
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const table = new Map(
    text
      .slice(from, to)
      .trim()
      .split('\n')
      .slice(2)
      .map((old) => [old.split('|')[1]?.trim() ?? '', old]),
  )
  if (process.env['BROADCASTER_WRITE_FIGURES'] === '1') {
    for (const row of rows) table.set(row[0] ?? '', line(row))
    const lines = [line(head), `|${'---|'.repeat(head.length)}`, ...table.values()].filter((each) => each !== '')
    writeFileSync(file, `${text.slice(0, from)}${lines.join('\n')}\n${text.slice(to)}`)
    return
  }
  for (const [title = ''] of rows) assert.ok(table.has(title), `docs/guarantees.md has no figures of ${title}`)
}
