import { BroadcasterError } from '../errors.ts'
import type { MigrationStatus } from './store.ts'

/** One migration step, without its SQL. Released steps are never changed, only added to. */
export interface SchemaStep {
  /** 1, 2, 3 ... without gaps. */
  readonly version: number
  readonly name: string
  /** Code that does not know this step cannot work with a schema that has it. */
  readonly breaking: boolean
}

/** What exists of an outbox in the database. */
export interface FoundSchema {
  /** The steps that its own table of steps lists. */
  readonly steps: readonly Pick<SchemaStep, 'version' | 'breaking'>[]
  /** The number of lanes in its settings; null = there are none. */
  readonly lanes: number | null
  /** The events table exists, but is not ours, or only partly. */
  readonly foreign: boolean
  /** Parts of an outbox exist, but not the record of its steps. */
  readonly lost: boolean
}

export function versionOf({ steps }: Pick<FoundSchema, 'steps'>): number {
  return Math.max(0, ...steps.map(({ version }) => version))
}

/** The known steps that it should have: all where the record is lost, none where a newer package made it. */
export function stepsThere<Step extends SchemaStep>(
  found: Pick<FoundSchema, 'steps' | 'lost'>,
  known: readonly Step[],
) {
  const latest = versionOf({ steps: known })
  const version = found.lost ? latest : versionOf(found)
  // What a newer version made is not ours to replace.
  return version > latest ? [] : known.filter((step) => step.version <= version)
}

/** The status of what exists, compared with the steps that this package knows. */
export function statusOf(found: FoundSchema, known: readonly SchemaStep[]): MigrationStatus {
  const version = versionOf(found)
  return {
    version,
    latest: versionOf({ steps: known }),
    lanes: version === 0 ? null : found.lanes,
    ...(found.foreign && { foreign: true }),
    pending: known
      .filter((step) => step.version > version)
      .map(({ version, name, breaking }) => ({ version, name, breaking })),
  }
}

/**
 * The status, if this code can work with the schema. Otherwise throws `SCHEMA_OUTDATED`, `SCHEMA_MISSING` or
 * `SCHEMA_TOO_NEW`, each with its cure; `table` is the events table.
 */
export function requireUsable(found: FoundSchema, known: readonly SchemaStep[], table: string): MigrationStatus {
  const status = statusOf(found, known)
  const { version, latest } = status
  if (found.foreign)
    throw outdated(`${table} is there, but not taken over, or not to the end; run \`broadcaster migrate\``)
  if (found.lost || (version > 0 && found.lanes === null))
    throw outdated(`parts of ${table} were dropped; run \`broadcaster migrate\`, which makes them again`)
  if (version === 0) {
    const message = `there is no ${table}; run \`broadcaster migrate\`, or call \`store.schema.migrate()\``
    throw new BroadcasterError('SCHEMA_MISSING', message)
  }
  requireKnown(found, known, table)
  if (version < latest)
    throw outdated(`${table} is at version ${version} and should be at ${latest}; run \`broadcaster migrate\``)
  return status
}

/** Throws `SCHEMA_TOO_NEW` when the outbox has a breaking step that this package does not know. */
export function requireKnown(found: FoundSchema, known: readonly SchemaStep[], table: string): void {
  const latest = versionOf({ steps: known })
  if (!found.steps.some((step) => step.breaking && step.version > latest)) return
  throw new BroadcasterError(
    'SCHEMA_TOO_NEW',
    `${table} is at version ${versionOf(found)}, and this version of ts-broadcaster knows ${latest}; upgrade it`,
  )
}

function outdated(message: string): BroadcasterError {
  return new BroadcasterError('SCHEMA_OUTDATED', message)
}
