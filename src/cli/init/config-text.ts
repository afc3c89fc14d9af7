import type { Project } from './project.ts'

const STORES: Readonly<Record<Project['database'], { readonly imports: readonly string[]; readonly text: string }>> = {
  pg: {
    imports: [`import { postgres } from 'ts-broadcaster/postgres'`],
    text: `postgres({ url: process.env['DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres' })`,
  },
  pglite: {
    imports: [`import { PGlite } from '@electric-sql/pglite'`, `import { postgres } from 'ts-broadcaster/postgres'`],
    text: `postgres({ pglite: new PGlite('./pgdata') })`,
  },
  mysql2: {
    imports: [`import { mysql } from 'ts-broadcaster/mysql'`],
    text: `mysql({ url: process.env['DATABASE_URL'] ?? 'mysql://root@127.0.0.1:3306/test' })`,
  },
  sqlite: {
    imports: [`import { sqlite } from 'ts-broadcaster/sqlite'`],
    text: `sqlite({ path: process.env['DATABASE_PATH'] ?? 'outbox.db' })`,
  },
}

/** The text of a configuration file that works in this project as it is. */
export function configText({ database, redis }: Project): string {
  const store = STORES[database]
  const backend = redis
    ? `redisStreams({ url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379', stream: 'events' })`
    : 'handlers(registry)'
  const imports = [
    `import { defineConfig } from 'ts-broadcaster'`,
    redis
      ? `import { redisStreams } from 'ts-broadcaster/redis-streams'`
      : `import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'`,
    ...store.imports,
  ]
  const registry = [
    '',
    '// Local code that runs for each event. Other ways out: ts-broadcaster/redis-streams, ts-broadcaster/webhook.',
    `const registry = new HandlerRegistry().on('*', (event) => console.log(String(event)), { name: 'log' })`,
  ]
  return [
    ...imports.toSorted((a, b) => sortKey(a).localeCompare(sortKey(b))),
    ...(redis ? [] : registry),
    '',
    '// Used by the command `broadcaster` and by your own code: new Broadcaster(config).',
    'export default defineConfig({',
    `  store: ${store.text},`,
    `  backends: { default: ${backend} },`,
    '})',
    '',
  ].join('\n')
}

/** Imports go by what they import from. */
function sortKey(line: string): string {
  return line.slice(line.indexOf(' from '))
}
