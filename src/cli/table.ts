import { onOneLine, shorten } from './format.ts'

/** A column of a table of rows. */
export interface Column<Row> {
  readonly title: string
  cell(row: Row): string
  /** How narrow it may become in a window that is too narrow for all. Default: it keeps the width of its widest cell. */
  readonly least?: number
  /** What is left out first when not even that is enough: the highest. Default: 0, which stays whatever happens. */
  readonly expendable?: number
}

const GAP = 2

/**
 * Rows as lines with a title each, not longer than `width` where that can be: columns that may be narrower give way
 * equally, and after that the most expendable are left out, but for those that fit beside what is left. A column of which
 * every cell is empty is left out, too.
 */
export function fitTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number | undefined,
): readonly string[] {
  const filled = columns
    .map((column) => ({ column, cells: rows.map((row) => onOneLine(column.cell(row))) }))
    .filter(({ column, cells }) => (column.expendable ?? 0) === 0 || cells.some((cell) => cell !== ''))
    .map(({ column, cells }) => {
      const widest = Math.max(column.title.length, ...cells.map((cell) => cell.length))
      return {
        column,
        cells,
        width: widest,
        least: Math.min(widest, Math.max(column.least ?? widest, column.title.length)),
      }
    })
  const total = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size + GAP, -GAP)
  const limit = width ?? Number.POSITIVE_INFINITY
  const fit = (some: typeof filled): boolean => total(some.map(({ least }) => least)) <= limit
  const expendable = filled.filter(({ column }) => (column.expendable ?? 0) > 0)
  let all = filled.filter((one) => !expendable.includes(one))
  // What a wide one has no room for, a narrower one may have.
  for (const one of expendable.toSorted((a, b) => (a.column.expendable ?? 0) - (b.column.expendable ?? 0))) {
    const more = filled.filter((each) => each === one || all.includes(each))
    if (fit(more)) all = more
  }
  const widths = all.map((one) => one.width)
  for (let over = total(widths) - limit; over > 0; over--) {
    // One character of the column that has the most to give.
    const spare = all.map(({ least }, n) => (widths[n] ?? 0) - least)
    const widest = spare.indexOf(Math.max(...spare))
    if ((spare[widest] ?? 0) <= 0) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, n) => shorten(cell, widths[n] ?? 0).padEnd(widths[n] ?? 0))
      .join(' '.repeat(GAP))
      .trimEnd()
  return [
    line(all.map(({ column }) => column.title)),
    ...rows.map((_, n) => line(all.map(({ cells }) => cells[n] ?? ''))),
  ]
}
