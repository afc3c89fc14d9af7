import type { Tables } from '../tables.ts'

/** One step of the schema. Steps are never changed once released, only added. */
export interface Migration {
  /** 1, 2, 3 ... without gaps. */
  readonly version: number
  readonly name: string
  /** Code that does not know this step cannot work with a schema that has it. */
  readonly breaking: boolean
  /**
   * The statements, one after the other. MySQL commits each DDL statement by itself, so a step may stop in the middle:
   * each can be run again. `lanes` counts in step 1 only.
   */
  statements(t: Tables, lanes: number): readonly string[]
}
