import assert from 'node:assert/strict'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { sourceFiles } from './source-files.ts'

/**
 * Folders that are written after one pattern: the same name stands for the same thing in each. A command of the CLI and an
 * entry of the package are named by what they are about.
 */
const FAMILIES: readonly (readonly [family: string, pattern: RegExp])[] = [
  ['store', /^src\/store\//],
  ['technology', /^src\/(kafka|redis-streams|nats|rabbitmq|mqtt|webhook)\//],
  ['suite', /^src\/testing\//],
]
const NAMED_AFTER = /^src\/[^/]+\.ts$|^src\/cli\/(commands\/|demo\/demo)/

/** File names with one meaning in each place, and why. */
const FILES: Readonly<Record<string, string>> = {
  'admin.ts': 'the door for operators, and what each store does behind it',
  'client.ts': 'what we call of the client of a broker or database',
  'columns.ts': 'those of a record, and those of a table as MySQL tells of them',
  'connection.ts': 'to a broker, and to a file of SQLite',
  'findings.ts': 'of an outbox, and of a backend',
  'inbox.ts': 'of the user, and as each store keeps it',
  'kafka.ts': 'how its messages carry an event, and its backend',
  'mqtt.ts': 'the same',
  'nats.ts': 'the same',
  'options.ts': 'those of the folder',
  'status.ts': 'of an outbox, and of a record',
  'steps.ts': 'of a suite, and of a take-over',
}

/** Names of types that stand twice, and why. */
const TYPES: Readonly<Record<string, string>> = {
  Connection: 'to a broker, and to a file of SQLite',
}

const files = sourceFiles()

function familyOf(path: string): string {
  return FAMILIES.find(([, pattern]) => pattern.test(path))?.[0] ?? dirname(path)
}

/** Names that stand in more than one family, or twice in one folder. */
function doubles(
  names: readonly (readonly [name: string, path: string])[],
): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {}
  for (const [name, all] of Map.groupBy(names, ([each]) => each)) {
    const paths = all.map(([, path]) => path)
    const families = new Set(paths.map(familyOf))
    const folders = new Set(paths.map((path) => dirname(path)))
    if (families.size > 1 || folders.size < paths.length) found[name] = paths
  }
  return found
}

function unlisted(
  found: Readonly<Record<string, readonly string[]>>,
  allowed: Readonly<Record<string, string>>,
): readonly string[] {
  const stale = Object.keys(allowed).filter((name) => !Object.hasOwn(found, name))
  assert.deepEqual(stale, [], 'stands once by now: take it off the list')
  return Object.entries(found).flatMap(([name, paths]) =>
    Object.hasOwn(allowed, name) ? [] : [`${name}: ${paths.join(', ')}`],
  )
}

test('no two files of one name mean different things', () => {
  const names = files.flatMap(({ path }) => (NAMED_AFTER.test(path) ? [] : [[basename(path), path] as const]))
  assert.deepEqual(unlisted(doubles(names), FILES), [])
})

test('no two exported types of one name mean different things', () => {
  const names = files.flatMap(({ path, text }) =>
    Array.from(
      text.matchAll(/^export (?:interface|type|class) (\w+)/gm),
      ([, name = '']): readonly [string, string] => [name, path],
    ),
  )
  assert.deepEqual(unlisted(doubles(names), TYPES), [])
})

test('what tells doubles apart knows one when it sees it', () => {
  const paths = ['src/relay/delivery.ts', 'src/publish/delivery.ts', 'src/kafka/message.ts', 'src/nats/message.ts']
  assert.deepEqual(Object.keys(doubles(paths.map((path) => [basename(path), path]))), ['delivery.ts'])
  assert.deepEqual(Object.keys(doubles([...'ab'].map((name) => ['Entry', `src/nats/${name}.ts`] as const))), ['Entry'])
})

test('classes of errors end in Error', () => {
  const names = files.flatMap(({ text }) =>
    [...text.matchAll(/class (\w+) extends (?:\w+\.)?\w*Error\b/g)].map(([, name = '']) => name),
  )
  assert.ok(names.includes('BroadcasterError'))
  assert.deepEqual(
    names.filter((name) => !name.endsWith('Error')),
    [],
  )
})
