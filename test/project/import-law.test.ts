import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { root, type SourceFile, sourceFiles } from './source-files.ts'

/**
 * What each part of `src` may import, besides itself. Imports point one way: a part names only parts above it.
 * Type-only imports count as well. A `/*` stands for each folder of that kind; two such folders never meet.
 */
const LAW: Record<string, readonly string[]> = {
  // The error class, and how a wrong option is told
  foundation: [],
  event: ['foundation'],
  // How a process tells that it is well
  health: ['foundation'],
  record: ['foundation', 'event'],
  telemetry: ['foundation', 'event', 'record'],
  // The seams
  store: ['foundation', 'event', 'record'],
  backend: ['foundation', 'event', 'record'],
  handlers: ['foundation', 'event'],
  // What implements them
  transactions: ['foundation', 'store'],
  'store/*': ['foundation', 'event', 'record', 'store', 'transactions'],
  'backend/*': ['foundation', 'event', 'record', 'backend', 'handlers'],
  // What works through them, and names no implementation
  publish: ['foundation', 'event', 'record', 'telemetry', 'store', 'backend'],
  // What may be deleted, and doing it: for workers and for operators
  retention: ['foundation', 'event', 'record', 'store'],
  relay: ['foundation', 'event', 'health', 'record', 'telemetry', 'store', 'backend', 'retention'],
  // Of consumers the dead letters
  admin: ['foundation', 'event', 'health', 'record', 'telemetry', 'store', 'backend', 'consumer', 'retention'],
  // HTTP in front of that door: no store, no SQL
  'admin-http': ['foundation', 'event', 'record', 'admin'],
  inbox: ['foundation', 'event', 'record', 'telemetry', 'store'],
  // The receiving half: the seam and the loop
  consumer: ['foundation', 'event', 'health', 'handlers', 'telemetry', 'store', 'backend', 'inbox'],
  'consumer/*': ['foundation', 'event', 'telemetry', 'backend', 'backend/*', 'consumer'],
  // One home for each technology: the way out and the way in
  technology: ['foundation', 'event', 'record', 'telemetry', 'backend', 'consumer'],
  // What puts them together
  broadcaster: [
    'foundation',
    'event',
    'health',
    'record',
    'telemetry',
    'store',
    'backend',
    'publish',
    'relay',
    'admin',
    'inbox',
    // The type of a subscription.
    'consumer',
  ],
  // Metrics: what the seams tell, by signals and when asked
  metrics: ['foundation', 'event', 'record', 'telemetry', 'store', 'admin'],
  prometheus: ['foundation', 'metrics'],
  // Tracing, through the hooks of those who publish, send and handle; and the same metrics
  opentelemetry: ['foundation', 'event', 'telemetry', 'backend', 'publish', 'relay', 'handlers', 'metrics'],
  index: [
    'foundation',
    'event',
    'health',
    'record',
    'telemetry',
    'store',
    'backend',
    'publish',
    'retention',
    'relay',
    'admin',
    'handlers',
    'inbox',
    'consumer',
    'broadcaster',
  ],
  // The entries of the package beside `index.ts`: names, and nothing else
  entry: [
    'event',
    'handlers',
    'transactions',
    'store/*',
    'backend/*',
    'technology',
    'consumer/*',
    'admin-http',
    'metrics',
    'prometheus',
    'opentelemetry',
    'testing',
  ],
}
// What stands on all of it. Nothing imports `cli`, and only the entry and tests import `testing`.
const BELOW = Object.keys(LAW).filter((part) => part !== 'entry')
LAW['testing'] = BELOW
LAW['cli'] = BELOW

/** Files that stand in `src` itself; every other one is an entry of the package. */
const ROOT_FILES: Readonly<Record<string, string>> = {
  'src/errors.ts': 'foundation',
  'src/broadcaster.ts': 'broadcaster',
  'src/broadcaster-options.ts': 'broadcaster',
  'src/config.ts': 'broadcaster',
  'src/index.ts': 'index',
}

const TECHNOLOGIES = ['kafka', 'redis-streams', 'nats', 'rabbitmq', 'mqtt', 'webhook']

/** The part that a file belongs to, with its own folder: two stores are both `store/*`, and still may not meet. */
function partOf(path: string): { readonly part: string; readonly folder: string } {
  const [, first = '', second = ''] = dirname(path).split('/')
  if (first === '') {
    const part = ROOT_FILES[path] ?? 'entry'
    return { part, folder: part }
  }
  if (TECHNOLOGIES.includes(first)) return { part: 'technology', folder: first }
  if (second !== '' && (first === 'store' || first === 'backend' || first === 'consumer')) {
    return { part: `${first}/*`, folder: `${first}/${second}` }
  }
  return { part: first, folder: first }
}

const files = sourceFiles()
const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly peerDependencies: Readonly<Record<string, string>>
}

test('every file belongs to a part of the law', () => {
  const strangers = files.map(({ path }) => partOf(path).part).filter((part) => !Object.hasOwn(LAW, part))
  assert.deepEqual(strangers, [])
})

test('imports point one way', () => {
  const broken: string[] = []
  for (const { path, imports } of files) {
    const from = partOf(path)
    for (const { file } of imports) {
      if (file === undefined) continue
      const to = partOf(file)
      const allowed =
        to.folder === from.folder || to.part === 'foundation' || (LAW[from.part]?.includes(to.part) ?? false)
      if (
        !allowed ||
        (to.part === from.part && to.folder !== from.folder && (from.part.endsWith('/*') || from.part === 'technology'))
      ) {
        broken.push(`${path} (${from.part}) imports ${file} (${to.part})`)
      }
    }
  }
  assert.deepEqual(broken, [])
})

test('the law itself has no cycle', () => {
  assert.deepEqual(cycles(new Map(Object.entries(LAW))), [])
})

test('no cycles between files, types left out', () => {
  // A record and the place it came from name each other's types; that costs nothing when the program runs.
  const graph = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.flatMap(({ file, kind }) => (file !== undefined && kind === 'value' ? [file] : [])),
    ]),
  )
  assert.deepEqual(cycles(graph), [])
})

test('packages are peers, and loaded only when somebody uses them', () => {
  const broken: string[] = []
  for (const { path, imports } of files) {
    for (const { specifier, kind } of imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      if (kind !== 'dynamic') broken.push(`${path} imports ${specifier} when it is loaded`)
      else if (!Object.hasOwn(peerDependencies, packageOf(specifier)))
        broken.push(`${path}: ${specifier} is no peer dependency`)
    }
  }
  assert.deepEqual(broken, [])
})

test('the process (environment, arguments, exit) is known in src/cli only', () => {
  const uses = (file: SourceFile): boolean =>
    /(?<![.\w#])process\b(?!\s*[:(?=])/.test(file.code) ||
    file.imports.some(({ specifier }) => specifier === 'node:process')
  const broken = files.filter((file) => !file.path.startsWith('src/cli/') && uses(file)).map(({ path }) => path)
  assert.deepEqual(broken, [])
  assert.ok(
    files.some((file) => file.path.startsWith('src/cli/') && uses(file)),
    'the check finds no use at all, so it would find no wrong one',
  )
})

test('exports are by name: no star exports', () => {
  assert.deepEqual(
    files.filter(({ code }) => /^export\s+\*/m.test(code)).map(({ path }) => path),
    [],
  )
})

/** `mysql2` of `mysql2/promise`, `@nats-io/jetstream` of itself. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** Every cycle found by a depth-first walk, as `a -> b -> a`. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const found: string[] = []
  const done = new Set<string>()
  const walk = (at: string, trail: readonly string[]): void => {
    const start = trail.indexOf(at)
    if (start >= 0) found.push([...trail.slice(start), at].join(' -> '))
    if (start >= 0 || done.has(at)) return
    for (const next of graph.get(at) ?? []) walk(next, [...trail, at])
    done.add(at)
  }
  for (const at of graph.keys()) walk(at, [])
  return found
}

test('an entry beside index.ts lists names, and holds nothing itself', () => {
  const entries = files.filter(({ path }) => partOf(path).part === 'entry')
  assert.ok(entries.length > 20)
  const holding = entries
    .filter(({ code }) => /^(?!export (type )?\{|\s|\}|\/\/|$)/m.test(code))
    .map(({ path }) => path)
  assert.deepEqual(holding, [])
})
