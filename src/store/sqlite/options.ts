import { duration, neededPlace, oneOf, option } from '../../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../../foundation/option-table.ts'

/** A database that the application opened with `node:sqlite` or better-sqlite3; only asked where its file is. */
export type InjectedDatabase = { location(): string | null } | { readonly name: string; readonly memory: boolean }

export const SQLITE = {
  /** The file; made when it is not there. Either this or `database`. Default: that of `database`. */
  path: neededPlace(
    option<string, string | undefined>('the path of a file', undefined, (value) => typeof value === 'string'),
  ),
  /**
   * A database that the application opened; the store opens the same file over connections of its own. Default: `path`
   * says where it is.
   */
  database: neededPlace(
    option<InjectedDatabase, InjectedDatabase | undefined>(
      'a database of node:sqlite or better-sqlite3',
      undefined,
      (value) => typeof value === 'object' && value !== null && ('location' in value || 'name' in value),
    ),
  ),
  // The rules for names are those of `tablesOf`.
  /** The events table; the others are named after it. Default `outbox_events`. */
  table: option<string>('a name', 'outbox_events', (value) => value !== null),
  /**
   * What a commit of the store waits for: `normal` survives a crash of the process, and a power cut except for the last
   * moments; `full` survives both. Default `normal`.
   */
  synchronous: oneOf('normal', 'normal', 'full'),
  /** How long to wait for a lock before `STORE_BUSY`, in milliseconds. Default 5,000. */
  busyTimeout: duration(5_000, { min: 0 }),
}
/** The options of `sqlite()`: either `path` or `database` must be given. */
export type SqliteOptions = OptionsOf<typeof SQLITE>

const IN_MEMORY =
  'is not in a file: the relay reads it over a connection of its own, which would not see a database in memory; ' +
  'give the path of a file, or use memoryStore() for tests'

/** Checks the options of `sqlite()`, and finds the file. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: SqliteOptions) {
  return readOptions('sqlite()', SQLITE, options, ({ database, ...read }, { given, refuse, alone }) => {
    alone('database', ['path'])
    const path = database ? locationOf(database) : read.path
    // One that was given as undefined, or does not fit, has been reported already.
    if (!('path' in options || 'database' in options)) refuse('path', 'is missing; give either path or database')
    else if (given.path === undefined && given.database === undefined) return { ...read, path: '' }
    else if (!path || path === ':memory:' || /[?&]mode=memory/.test(path)) {
      refuse(database ? 'database' : 'path', IN_MEMORY, path)
    }
    return { ...read, path: path ?? '' }
  })
}

function locationOf(database: InjectedDatabase): string | null {
  if ('location' in database) return database.location()
  return database.memory ? null : database.name
}
