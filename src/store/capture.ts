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

/** The options, each with a value. */
export function resolveCapture(options: CaptureOptions): Required<CaptureOptions> {
  const { table, type = table, source = `/${encodeURIComponent(table)}`, key = 'id', backend = '', omit = [] } = options
  return { table, type, source, key, backend, omit }
}

/** A text as an SQL literal. Backslashes are doubled where the dialect reads them. */
export function literalOf(text: string, backslashes: boolean): string {
  const quoted = text.replaceAll("'", "''")
  return `'${backslashes ? quoted.replaceAll('\\', '\\\\') : quoted}'`
}
