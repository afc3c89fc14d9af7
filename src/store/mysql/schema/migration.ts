import type { SchemaStep } from '../../schema-status.ts'
import type { Tables } from '../tables.ts'

export interface Migration extends SchemaStep {
  /**
   * The statements, one after the other. MySQL commits each DDL statement by itself, so a step may stop in the middle:
   * each can be run again. `lanes` counts in step 1 only.
   */
  statements(t: Tables, lanes: number): readonly string[]
}
