import { BROKERS, DATABASES, LIBRARIES } from './known-packages.ts'
import type { Project } from './project.ts'

/** The text of a configuration file that works in this project as it is, once its variables are set. */
export function configText({ database, broker, library }: Project): string {
  const store = DATABASES[database]
  const backend = broker === undefined ? HANDLERS : BROKERS[broker]
  const transaction = library === undefined ? undefined : LIBRARIES[library]
  const imports = [
    `import { defineConfig } from 'ts-broadcaster'`,
    ...store.imports,
    ...backend.imports,
    ...(transaction === undefined
      ? []
      : [`import { ${transaction.adapter} } from 'ts-broadcaster/${transaction.entry}'`]),
  ]
  const needsVariable = [store, backend].some(({ text }) => text.includes('required('))
  return [
    ...merged(imports).toSorted((a, b) => sortKey(a).localeCompare(sortKey(b))),
    ...(broker === undefined ? REGISTRY : []),
    ...(needsVariable ? REQUIRED : []),
    '',
    '// Used by the command `broadcaster` and by your own code: new Broadcaster(config).',
    'export default defineConfig({',
    ...(store.comment === undefined ? [] : [`  // ${store.comment}`]),
    `  store: ${store.text},`,
    ...(transaction === undefined
      ? []
      : [
          `  transaction: ${transaction.adapter}(${transaction.only === undefined ? `{ dialect: '${store.dialect}' }` : ''}),`,
        ]),
    `  backends: { default: ${backend.text} },`,
    '})',
    '',
  ].join('\n')
}

const HANDLERS = {
  imports: [`import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'`],
  text: 'handlers(registry)',
}

const REGISTRY = [
  '',
  '// Local code that runs for each event. Other backends: ts-broadcaster/redis-streams, ts-broadcaster/webhook.',
  `const registry = new HandlerRegistry().on('*', (event) => console.log(String(event)), { name: 'log' })`,
]

const REQUIRED = [
  '',
  '/** Without a default: it would lead to whatever server happens to answer there. */',
  'function required(name: string): string {',
  '  const value = process.env[name]',
  "  if (value === undefined || value === '') throw new Error(name + ' is not set; set it, or give --env-file .env')",
  '  return value',
  '}',
]

/** One import for each module: a store and its driver's adapter come from the same. */
function merged(imports: readonly string[]): readonly string[] {
  const names = new Map<string, readonly string[]>()
  for (const line of imports) {
    const [, list = '', from = ''] = /^import \{ (.*) \}( from .*)$/.exec(line) ?? []
    if (from === '') names.set(line, [])
    else names.set(from, [...(names.get(from) ?? []), ...list.split(', ')])
  }
  return Array.from(names, ([from, list]) =>
    list.length === 0 ? from : `import { ${list.toSorted().join(', ')} }${from}`,
  )
}

/** Imports go by what they import from. */
function sortKey(line: string): string {
  return line.slice(line.indexOf(' from '))
}
