/** What Drizzle takes where it takes `sql` templates: an `SQLWrapper`. */
export interface DrizzleQuery {
  getSQL(): unknown
}

/**
 * Text with placeholders as Drizzle's own `sql` object would be, without its class: it answers the one call that Drizzle
 * makes of a query, `toQuery`, so that text and values go to the driver as they are.
 */
export function drizzleQuery(text: string, values: readonly unknown[]): DrizzleQuery {
  return {
    getSQL() {
      return this
    },
    toQuery: () => ({ sql: text, params: [...values] }),
  } as DrizzleQuery
}
