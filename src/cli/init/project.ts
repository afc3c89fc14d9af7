import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BroadcasterError } from '../../errors.ts'

/** What a project has that a configuration can use. */
export interface Project {
  readonly database: 'pg' | 'pglite' | 'mysql2' | 'sqlite'
  readonly redis: boolean
  /** The name of the configuration file that Node can load in this project as it is. */
  readonly fileName: string
  /** For people: what was found, and where the choice comes from. */
  readonly found: readonly string[]
}

const FOUND: Readonly<Record<Project['database'], string>> = {
  pg: 'pg: the outbox goes into PostgreSQL',
  pglite: '@electric-sql/pglite: the outbox goes into PGlite',
  mysql2: 'mysql2: the outbox goes into MySQL or MariaDB',
  sqlite: 'no client of PostgreSQL or MySQL: the outbox goes into a SQLite file',
}

function databaseOf(packages: ReadonlySet<string>): Project['database'] {
  if (packages.has('pg')) return 'pg'
  if (packages.has('@electric-sql/pglite')) return 'pglite'
  return packages.has('mysql2') ? 'mysql2' : 'sqlite'
}

/** Looks at `package.json` and `tsconfig.json` of a folder. Throws `CONFIG_INVALID` for a broken `package.json`. */
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
  const typescript = packages.has('typescript') || existsSync(join(folder, 'tsconfig.json'))
  const module = manifest.type === 'module'
  const redisPackage = ['redis', '@redis/client', 'ioredis'].find((name) => packages.has(name))
  const database = databaseOf(packages)
  return {
    database,
    redis: redisPackage !== undefined,
    // A file of a package without "type": "module" needs the m to be one.
    fileName: `broadcaster.config.${module ? '' : 'm'}${typescript ? 'ts' : 'js'}`,
    found: [
      FOUND[database],
      redisPackage === undefined
        ? 'no Redis client: events go to local handlers'
        : `${redisPackage}: events go to Redis Streams`,
    ],
  }
}

interface Manifest {
  readonly type?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}
