import { attributeProblems } from '../event/attributes.ts'
import { type Problem, throwProblems } from '../problem.ts'

/** How changes of a table's rows become events, for `broadcaster capture`. */
export interface CaptureOptions {
  readonly table: string
  /** Types are this and `.created`, `.updated`, `.deleted`. Default: the table. */
  readonly type?: string
  /** Default: `/` and the table. */
  readonly source?: string
  /** The column that is subject and partition key; empty = none. Default: `id`. */
  readonly key?: string
  /** Default: the default backend. */
  readonly backend?: string
  /** Columns that no event shows. Default: none. */
  readonly omit?: readonly string[]
}

/** Beside these a type must fit, too. */
const LONGEST_ENDING = '.updated'
/** The width of the column. */
const TYPE_WIDTH = 255
const SOURCE_WIDTH = 255
const BACKEND_WIDTH = 100

/**
 * The options, each with a value. Throws `INVALID_OPTION` for a type, a source or a backend with which every change of
 * the table would be refused: a trigger would tell that only when it fires, in somebody's transaction.
 */
export function resolveCapture(options: CaptureOptions): Required<CaptureOptions> {
  const { table, type = table, source = `/${encodeURIComponent(table)}`, key = 'id', backend = '', omit = [] } = options
  const problems: Problem[] = attributeProblems({
    specversion: '1.0',
    id: 'x',
    type: type + LONGEST_ENDING,
    source,
  }).map((problem) => ({
    ...problem,
    code: 'INVALID_OPTION',
    ...(problem.field === 'type' && { value: type }),
  }))
  const tooLong = (field: string, value: string, most: number): void => {
    const { length } = Array.from(value)
    if (length > most) {
      const message = `has ${length} characters; at most ${most} fit`
      problems.push({ code: 'INVALID_OPTION', field, value, message })
    }
  }
  tooLong('type', type, TYPE_WIDTH - LONGEST_ENDING.length)
  tooLong('source', source, SOURCE_WIDTH)
  tooLong('backend', backend, BACKEND_WIDTH)
  if (type === '') {
    problems.push({ code: 'INVALID_OPTION', field: 'type', value: type, message: 'is empty; give a text' })
  }
  throwProblems('the capture', problems)
  return { table, type, source, key, backend, omit }
}

/** A text as an SQL literal. Backslashes are doubled where the dialect reads them. */
export function literalOf(text: string, backslashes: boolean): string {
  const quoted = text.replaceAll("'", "''")
  return `'${backslashes ? quoted.replaceAll('\\', '\\\\') : quoted}'`
}
