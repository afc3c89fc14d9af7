import type { Migration } from './migration.ts'
import { createOutbox } from './migrations/0001-create-outbox.ts'

/** All steps, in order. Append only. */
export const MIGRATIONS: readonly Migration[] = [createOutbox]
