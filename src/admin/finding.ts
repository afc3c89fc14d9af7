/**
 * Each code of a finding, in the order in which they are reported. `docs/operations.md` says what each means; a test
 * keeps both the same.
 */
export const FINDING_CODES = [
  'schema-current',
  'schema-foreign',
  'schema-outdated',
  'index-missing',
  'extra-index',
  'unreachable-status',
  'unreachable-lane',
  'server-read-only',
  'long-transaction',
  'dead-rows',
  'autovacuum-off',
  'schema-drift',
  'commits-not-told',
  'retention-behind',
  'inbox-large',
  'clock-agrees',
  'clock-differs',
  'workers-at-work',
  'no-worker',
  'versions-differ',
  'lanes-orphaned',
  'backend-paused',
  'breaker-open',
  'backend-not-configured',
  'lag-too-great',
  'events-failed',
  'backend',
] as const

/** The code of a finding; docs/operations.md says what each means. */
export type FindingCode = (typeof FINDING_CODES)[number]

/** One thing that a person should know of an outbox. */
export interface Finding {
  /** What was found, for programs. */
  readonly code: FindingCode
  /** `wrong`: events wait until a person acts. `advice`: it works, but could be better. */
  readonly level: 'wrong' | 'advice' | 'fine'
  /** What was found, in one sentence for people. */
  readonly message: string
  /** What to do: a command, an SQL statement or a sentence. */
  readonly cure?: string
  /** What repairs it without a risk, and what `broadcaster doctor --fix` does: `store.schema.migrate()`. */
  readonly fix?: 'migrate'
}
