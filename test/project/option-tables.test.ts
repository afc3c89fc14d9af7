import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { Option, OptionTable } from '../../src/foundation/option-table.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { root, sourceFiles } from './source-files.ts'

/*
 * The comment above each row of an option table is what an editor shows and what the reference is made of. Its unit and
 * its default are those that count.
 */

interface Row {
  readonly label: string
  readonly comment: string
  readonly option: Option<unknown, unknown>
}

const isTable = (value: unknown): value is OptionTable =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length > 0 &&
  Object.values(value).every((one) => typeof one?.read === 'function' && typeof one.wanted === 'string')

/** The rows that a file's tables have of their own; what is spread into them is a table of its own. */
async function rowsOf(path: string): Promise<readonly Row[]> {
  const text = readFileSync(join(root, path), 'utf8')
  const module = (await import(pathToFileURL(join(root, path)).href)) as Readonly<Record<string, unknown>>
  return Object.entries(module).flatMap(([name, table]) => {
    if (!isTable(table)) return []
    const body = text.split(`export const ${name} = {\n`)[1]?.split('\n}\n')[0] ?? ''
    return Array.from(body.matchAll(/(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}(\w+)(?:: |,$)/gm), (found) => {
      const [, comment = '', row = ''] = found
      const option = table[row]
      assert.ok(option, `${path}: ${name} has a row ${row}`)
      return { label: `${path}: ${name}.${row}`, comment: comment.replace(/\s*\n\s*\*\s?/g, ' ').trim(), option }
    })
  })
}

/** What the default is called in a comment: `5,000`, `'structured'`, `` `block` ``, false. */
const literal = /Default '?`?([^'`\s;]+(?: [^'`\s]+)*?)[`']?(?:[.:;,]?(?:\s|$))/

const files = sourceFiles().filter(
  ({ text }) => /export const [A-Z_]+ = \{\n/.test(text) && /option-kinds\.ts/.test(text),
)
const rows = (await Promise.all(files.map(({ path }) => rowsOf(path)))).flat()

test('each option has a comment with its default, and the default is the table’s', (t) => {
  const wrong: string[] = []
  for (const { label, comment, option } of rows) {
    const { fallback, required } = option
    if (option.wanted === 'anything' && comment === '') continue
    if (comment === '') wrong.push(`${label} has no comment`)
    else if (required) {
      if (/Default/.test(comment)) wrong.push(`${label} must be given, and its comment tells a default`)
    } else if (!/Default/.test(comment)) wrong.push(`${label} tells no default`)
    else {
      const value = Array.isArray(fallback) && fallback.length === 1 ? fallback[0] : fallback
      if (!['number', 'string', 'boolean'].includes(typeof value)) continue
      const told = literal.exec(comment)?.[1] ?? ''
      const said = typeof value === 'number' ? told.replace(/[,.:]$|,(?=\d{3})/g, '') : told.replace(/[.:]$/, '')
      if (said !== String(value))
        wrong.push(`${label}: the default is ${String(value)}, its comment says ${told || comment}`)
    }
  }
  t.diagnostic(`${rows.length} options in ${files.length} files`)
  assert.deepEqual(wrong, [])
  assert.ok(rows.length > 150, 'tables were found')
})

test('each option tells its unit', () => {
  const units = { milliseconds: /^milliseconds/, bytes: /^a number of bytes/ }
  const wrong = rows.flatMap(({ label, comment, option }) =>
    Object.entries(units).flatMap(([unit, wanted]) =>
      wanted.test(option.wanted) && !comment.includes(unit)
        ? [`${label} is in ${unit}, and its comment does not say so`]
        : [],
    ),
  )
  assert.deepEqual(wrong, [])
})

test('null where an option wants a value is refused, and never taken for what was left out', () => {
  const taken = rows.flatMap(({ label, option }) => {
    if (option.wanted === 'anything' || /\bnull\b/.test(option.wanted)) return []
    const said: string[] = []
    option.read(null, (message) => said.push(message))
    return said.length > 0 ? [] : [label]
  })
  assert.deepEqual(taken, [])
})

test('null for what its owner checks is an error with the name', () => {
  const make: Readonly<Record<string, (more: object) => unknown>> = {
    postgres: (more) => postgres({ url: 'postgres://u@h/d', ...more }),
    mysql: (more) => mysql({ url: 'mysql://u@h/d', ...more }),
    sqlite: (more) => sqlite({ path: 'a.db', ...more }),
    Broadcaster: (more) => new Broadcaster({ store: memoryStore(), backends: {}, logger: false, ...more }),
    Consumer: (more) =>
      new Consumer({
        name: 'a',
        subscription: memorySubscription(),
        inbox: false,
        handlers: { '*': () => {} },
        logger: false,
        ...more,
      }),
    natsJetStreamSubscription: (more) => natsJetStreamSubscription({ stream: 's', ...more }),
  }
  const stores = ['postgres', 'mysql', 'sqlite'].map((owner) => [owner, 'table'])
  const names = [
    'store',
    'transaction',
    'backends',
    'defaultBackend',
    'routes',
    'events',
    'worker',
    'subscriptions',
    'name',
    'logger',
  ]
  const wrong = [
    ...stores,
    ['postgres', 'schema'],
    ['mysql', 'database'],
    ...names.map((name) => ['Broadcaster', name]),
    ...['name', 'handlers', 'store', 'inbox', 'transaction', 'events', 'logger'].map((name) => ['Consumer', name]),
    ['natsJetStreamSubscription', 'filterSubject'],
  ]
  for (const [owner = '', name = ''] of wrong) {
    assert.throws(() => make[owner]?.({ [name]: null }), RegExp(`\\b${name} is null; give `), `${owner} ${name}`)
  }
})
