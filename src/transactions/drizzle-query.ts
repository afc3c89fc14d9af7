/** What Drizzle takes where it takes `sql` templates: an `SQLWrapper`. */
export interface DrizzleQuery {
  getSQL(): unknown
}

/**
 * A stand-in for Drizzle's own `sql` object: it has the one method that Drizzle calls on a query, `toQuery`, so that
 * text and values go to the driver as they are.
 */
export function drizzleQuery(text: string, values: readonly unknown[]): DrizzleQuery {
  return {
    getSQL() {
      return this
    },
    toQuery: () => ({ sql: text, params: [...values] }),
  } as DrizzleQuery
}
