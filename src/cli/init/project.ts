import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BroadcasterError } from '../../errors.ts'
import {
  BROKERS,
  type BrokerName,
  DATABASES,
  type DatabaseName,
  LIBRARIES,
  type LibraryName,
} from './known-packages.ts'

/** What a project has that a configuration can use. */
export interface Project {
  readonly database: DatabaseName
  /** Undefined = none: events go to local handlers. */
  readonly broker: BrokerName | undefined
  /** Undefined = the store's own client. */
  readonly library: LibraryName | undefined
  /** The name of the configuration file that Node can load in this project as it is. */
  readonly fileName: string
  /** For people: what was found, and where the choice comes from. */
  readonly found: readonly string[]
  /** Packages that the configuration needs and the project lacks. */
  readonly missing: readonly string[]
}

/** Looks at the `package.json` of a folder. Throws `CONFIG_INVALID` for a broken one. */
export function examineProject(folder: string): Project {
  const path = join(folder, 'package.json')
  let manifest: Manifest = {}
  if (existsSync(path)) {
    try {
      manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest
    } catch (cause) {
      throw new BroadcasterError('CONFIG_INVALID', `${path} is not JSON; fix it first`, { cause })
    }
  }
  const packages = new Set(Object.keys({ ...manifest.devDependencies, ...manifest.dependencies }))
  const [database, ...otherDatabases] = foundIn(DATABASES, packages)
  const [broker, ...otherBrokers] = foundIn(BROKERS, packages)
  const name = database?.name ?? 'sqlite'
  const { where, client, dialect } = DATABASES[name]
  const fitting = foundIn(LIBRARIES, packages).filter(({ name }) => [undefined, dialect].includes(LIBRARIES[name].only))
  const [library, ...otherLibraries] = fitting
  return {
    database: name,
    broker: broker?.name,
    library: library?.name,
    // Node runs TypeScript as it is; a file of a package without "type": "module" needs the m to be a module.
    fileName: `broadcaster.config.${manifest.type === 'module' ? '' : 'm'}ts`,
    found: [
      database === undefined
        ? 'no client of PostgreSQL or MySQL: the outbox goes into a SQLite file'
        : `${database.by}: the outbox goes into ${where}${andToo(otherDatabases)}`,
      ...(library === undefined
        ? []
        : [
            `${library.by}: publish writes in transactions of ${LIBRARIES[library.name].where}${andToo(otherLibraries)}`,
          ]),
      broker === undefined
        ? 'no client of a broker: events go to local handlers'
        : `${broker.by}: events go to ${BROKERS[broker.name].where}${andToo(otherBrokers)}`,
    ],
    missing: client === undefined || packages.has(client) ? [] : [client],
  }
}

/** An entry of a table that the project has a package of. */
interface Found<Name extends string> {
  readonly name: Name
  /** That package. */
  readonly by: string
}

/** The entries of a table of which the project has a package, in the table's order: the first is written. */
function foundIn<Name extends string>(
  table: Readonly<Record<Name, { readonly packages: readonly string[] }>>,
  packages: ReadonlySet<string>,
): readonly Found<Name>[] {
  return (Object.keys(table) as Name[]).flatMap((name) => {
    const by = table[name].packages.find((one) => packages.has(one))
    return by === undefined ? [] : [{ name, by }]
  })
}

/** `; amqplib is there, too`: what was not chosen, so that the choice is not taken for the only one. */
function andToo(others: readonly Found<string>[]): string {
  if (others.length === 0) return ''
  return `; ${others.map(({ by }) => by).join(' and ')} ${others.length === 1 ? 'is' : 'are'} there, too`
}

interface Manifest {
  readonly type?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}
