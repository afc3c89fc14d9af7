import type { Tables } from '../tables.ts'

/** One step of the schema. Append-only: a step that was released never changes. */
export interface Migration {
  readonly version: number
  readonly name: string
  /** Code older than this step cannot work with the schema after it. */
  readonly breaking: boolean
  /** The statements, as people would run them. `lanes` counts in the first step only. */
  sql(t: Tables, lanes: number): string
}
