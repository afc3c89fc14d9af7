import type { SchemaStep } from '../../schema-status.ts'
import type { Tables } from '../tables.ts'

export interface Migration extends SchemaStep {
  /** The statements, without BEGIN and COMMIT. `lanes` counts in step 1 only. */
  sql(t: Tables, lanes: number): string
}

/** The statements of a step, and those that record it. `sql` are the step's own, or none when done in another way. */
export function scriptOf(step: Migration, t: Tables, sql: string): string {
  // IF NOT EXISTS alone asks for the right to make schemas even when there is nothing to make.
  const schema =
    t.schema === undefined
      ? ''
      : `DO $do$ BEGIN IF to_regnamespace('${t.schema}') IS NULL THEN CREATE SCHEMA ${t.schema}; END IF; END $do$;\n`
  return `${schema}CREATE TABLE IF NOT EXISTS ${t.migrations} (
  version integer PRIMARY KEY,
  name text NOT NULL,
  breaking boolean NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
${sql}
INSERT INTO ${t.migrations} (version, name, breaking) VALUES (${step.version}, '${step.name}', ${step.breaking});
`
}
