import type { SchemaStep } from '../../schema-status.ts'
import type { Tables } from '../tables.ts'

export interface Migration extends SchemaStep {
  /** The statements, as people would run them. `lanes` counts in step 1 only. */
  sql(t: Tables, lanes: number): string
}
