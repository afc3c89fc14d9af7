import { BroadcasterError } from '../../errors.ts'

/** A database that the application opened, of `node:sqlite` or better-sqlite3; we only ask it where its file is. */
export type InjectedDatabase = { location(): string | null } | { readonly name: string; readonly memory: boolean }

/** The file that we open over connections of our own. Throws `INVALID_OPTION` when there is none. */
export function pathOf(options: { readonly path?: string; readonly database?: InjectedDatabase }): string {
  if ((options.path === undefined) === (options.database === undefined)) {
    throw new BroadcasterError('INVALID_OPTION', 'sqlite() needs either `path` or `database`, and not both', {
      field: 'path',
    })
  }
  const path = options.database ? locationOf(options.database) : options.path
  if (!path || path === ':memory:' || /[?&]mode=memory/.test(path)) {
    throw new BroadcasterError(
      'INVALID_OPTION',
      'sqlite() needs a database in a file: the relay reads it over a connection of its own, which would not see one ' +
        'in memory; give a path, or use memoryStore() for tests',
      { field: options.database ? 'database' : 'path', value: path },
    )
  }
  return path
}

function locationOf(database: InjectedDatabase): string | null {
  if ('location' in database) return database.location()
  return database.memory ? null : database.name
}
