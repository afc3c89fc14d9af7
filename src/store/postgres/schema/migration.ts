import type { Tables } from '../tables.ts'

/** One step of the schema. Steps are never changed once released, only added. */
export interface Migration {
  /** 1, 2, 3 ... without gaps. */
  readonly version: number
  readonly name: string
  /** Code that does not know this step cannot work with a schema that has it. */
  readonly breaking: boolean
  /** The statements, without BEGIN and COMMIT. `lanes` counts in step 1 only. */
  sql(t: Tables, lanes: number): string
}
