import { BroadcasterError } from '../../errors.ts'
import type { Statement } from '../statement.ts'

/** The names of our tables and indexes, quoted. */
export interface Tables {
  readonly events: string
  readonly lanes: string
  readonly workers: string
  readonly breakers: string
  readonly destinations: string
  readonly settings: string
  readonly inbox: string
  readonly migrations: string
  /** The view that SQL publishes through. */
  readonly publish: string
  /** An index of the events table, and the one of the inbox. */
  readonly index: Readonly<Record<'identity' | 'hot' | 'parked' | 'troubled' | 'inboxAge', string>>
  /** A trigger of the events table. */
  trigger(suffix: string): string
}

/** Returns a row if there is a table of this name, as it stands in `Tables`. */
export function tableIsThere(table: string): Statement {
  return {
    strings: ["SELECT 1 AS there FROM sqlite_master WHERE type = 'table' AND name = ", ''],
    values: [table.replaceAll('"', '')],
  }
}

/** The tables of an outbox: all are named after the events table. Throws `INVALID_OPTION`. */
export function tablesOf(events: string): Tables {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(events)) {
    throw new BroadcasterError(
      'INVALID_OPTION',
      `table is "${events}"; give a name of letters, digits and underscores that starts with a letter, such as "outbox_events"`,
      { field: 'table', value: events },
    )
  }
  const prefix = events.replace(/_events$/, '')
  return {
    events: `"${events}"`,
    lanes: `"${prefix}_lanes"`,
    workers: `"${prefix}_workers"`,
    breakers: `"${prefix}_breakers"`,
    destinations: `"${prefix}_destinations"`,
    settings: `"${prefix}_settings"`,
    inbox: `"${prefix}_inbox"`,
    migrations: `"${prefix}_migrations"`,
    publish: `"${prefix}_publish"`,
    trigger: (suffix) => `"${events}_${suffix}"`,
    index: {
      identity: `"${events}_identity"`,
      hot: `"${events}_hot"`,
      parked: `"${events}_parked"`,
      troubled: `"${events}_troubled"`,
      inboxAge: `"${events}_inbox_age"`,
    },
  }
}
