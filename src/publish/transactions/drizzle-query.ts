import type { Statement } from '../../store/statement.ts'

/** What Drizzle takes where it takes `sql` templates: an `SQLWrapper`. */
export interface DrizzleQuery {
  getSQL(): unknown
}

/** What Drizzle's dialects give to a query that they build. */
interface BuildConfig {
  /** Counts from 0. */
  escapeParam(n: number, value: unknown): string
}

/**
 * A statement as Drizzle's own `sql` object would be, without its class: it answers the one call that Drizzle makes,
 * `toQuery`, so the text goes to the driver verbatim, with the placeholders that Drizzle's dialect asks for.
 */
export function drizzleQuery({ strings, values }: Statement): DrizzleQuery {
  return {
    getSQL() {
      return this
    },
    toQuery({ escapeParam }: BuildConfig) {
      const sql = strings.reduce((text, string, n) => text + escapeParam(n - 1, values[n - 1]) + string)
      return { sql, params: [...values] }
    },
  } as DrizzleQuery
}
