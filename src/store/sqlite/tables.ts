import { prefixOf, requireNames, type TableNames, tableNames } from '../table-names.ts'

/** The names of our tables and indexes, quoted. */
export interface Tables extends TableNames<string> {
  /** The view that SQL publishes through. */
  readonly publish: string
  /** An index of the events table, and the one of the inbox. */
  readonly index: Readonly<Record<'identity' | 'hot' | 'parked' | 'troubled' | 'inboxAge', string>>
  /** A trigger of the events table. */
  trigger(suffix: string): string
}

/** SQLite itself has no limit. */
const LONGEST = 63

/** Throws `INVALID_OPTION` for a name that is not a plain identifier. */
export function tablesOf(events: string): Tables {
  requireNames('sqlite()', LONGEST, { table: events })
  const quoted = (name: string): string => `"${name}"`
  return {
    ...tableNames(events, quoted),
    publish: quoted(`${prefixOf(events)}_publish`),
    trigger: (suffix) => quoted(`${events}_${suffix}`),
    index: {
      identity: quoted(`${events}_identity`),
      hot: quoted(`${events}_hot`),
      parked: quoted(`${events}_parked`),
      troubled: quoted(`${events}_troubled`),
      inboxAge: quoted(`${events}_inbox_age`),
    },
  }
}
