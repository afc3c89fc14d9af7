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
      throw new BroadcasterError('CONFIG_INVALID', `${path} is not JSON; mend it first`, { cause })
    }
  }
  const packages = new Set(Object.keys({ ...manifest.devDependencies, ...manifest.dependencies }))
  const database = first(DATABASES, packages)
  const broker = first(BROKERS, packages)
  const name = database?.name ?? 'sqlite'
  const { where, client, dialect } = DATABASES[name]
  const library = first(LIBRARIES, packages, ({ only }) => only === undefined || only === dialect)
  return {
    database: name,
    broker: broker?.name,
    library: library?.name,
    // Node runs TypeScript as it is; a file of a package without "type": "module" needs the m to be a module.
    fileName: `broadcaster.config.${manifest.type === 'module' ? '' : 'm'}ts`,
    found: [
      database === undefined
        ? 'no client of PostgreSQL or MySQL: the outbox goes into a SQLite file'
        : `${database.by}: the outbox goes into ${where}`,
      ...(library === undefined
        ? []
        : [`${library.by}: publish writes in transactions of ${LIBRARIES[library.name].where}`]),
      broker === undefined
        ? 'no client of a broker: events go to local handlers'
        : `${broker.by}: events go to ${BROKERS[broker.name].where}`,
    ],
    missing: client === undefined || packages.has(client) ? [] : [client],
  }
}

/** The first entry of a table of which the project has a package, and that package. */
function first<Name extends string, Known extends { readonly packages: readonly string[] }>(
  table: Readonly<Record<Name, Known>>,
  packages: ReadonlySet<string>,
  fits: (known: Known) => boolean = () => true,
): { readonly name: Name; readonly by: string } | undefined {
  for (const name of Object.keys(table) as Name[]) {
    if (!fits(table[name])) continue
    const by = table[name].packages.find((one) => packages.has(one))
    if (by !== undefined) return { name, by }
  }
  return undefined
}

interface Manifest {
  readonly type?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}
