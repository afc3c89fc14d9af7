import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { NewOutboxEvent } from '../../../src/record/columns.ts'
import { mysql } from '../../../src/store/mysql/mysql.ts'
import { postgres } from '../../../src/store/postgres/postgres.ts'
import type { Program } from '../../../src/store/program.ts'
import { sqlite } from '../../../src/store/sqlite/sqlite.ts'
import type { Statement } from '../../../src/store/statement.ts'
import type { Store } from '../../../src/store/store.ts'
import { root } from '../../project/source-files.ts'
import { DATABASES } from './cell.ts'
import { MATRIX } from './matrix.ts'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, unknown>>
}

/** Those of a program that is given no rows. */
function statementsOf(program: Program<unknown>): readonly Statement[] {
  const statements: Statement[] = []
  for (let step = program.next(); !step.done; step = program.next([])) statements.push(step.value)
  return statements
}

/** `mikro-orm` -> `mikroOrmTransaction`. */
const factoryOf = (adapter: string): string =>
  `${adapter.replace(/-(.)/g, (_all, letter: string) => letter.toUpperCase())}Transaction`

/** `node-sqlite` -> `NodeSqliteTransaction`, the type of what it takes. */
const transactionOf = (adapter: string): string => factoryOf(adapter).replace(/^./, (first) => first.toUpperCase())

test('the matrix holds every adapter of the package', async () => {
  const exported: string[] = []
  for (const entry of Object.keys(manifest.exports)) {
    if (entry === '.' || entry === './package.json' || entry === './memory') continue
    const module = (await import(join(root, 'src', `${entry}.ts`))) as Record<string, unknown>
    exported.push(...Object.keys(module).filter((name) => /^[a-z].*Transaction$/.test(name)))
  }
  assert.deepEqual(Object.keys(MATRIX).map(factoryOf).sort(), exported.sort())
})

test('every adapter runs somewhere, and its types are tested', () => {
  const types = globSync('test/types/*.ts', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'))
  for (const [adapter, cells] of Object.entries(MATRIX)) {
    assert.ok(
      DATABASES.some((database) => typeof cells[database] !== 'string'),
      adapter,
    )
    assert.ok(
      types.some((text) => text.includes(factoryOf(adapter)) || text.includes(transactionOf(adapter))),
      `test/types does not name ${adapter}`,
    )
  }
})

test('the statements that run through other libraries hold nothing that those take for a parameter', async (t) => {
  const row: NewOutboxEvent = {
    id: '01890a5d-ac96-774b-bcce-b302099a8057',
    partitionKey: 'k',
    keyHash: 1,
    eventId: 'e',
    specVersion: '1.0',
    eventType: 't',
    source: '/s',
    subject: '',
    dataContentType: 'application/json',
    dataSchema: '',
    data: '{}',
    dataBinary: null,
    extensions: null,
    eventTime: null,
    scheduledAt: null,
    delay: 0,
    maxRetries: 3,
    publisherBackend: 'default',
    publisherConfig: '{}',
  }
  const entry = { consumer: 'c', source: '/s', eventId: 'e' }
  const stores: readonly Store[] = [
    postgres({ url: 'postgres://nowhere' }) as Store,
    mysql({ url: 'mysql://nowhere/outbox' }) as Store,
    sqlite({ path: 'nowhere.db' }) as Store,
  ]
  for (const store of stores) {
    const { publish, inbox } = store
    const programs: Readonly<Record<string, Program<unknown>>> = {
      insert: publish.insert([row, row]),
      'find duplicate': publish.findDuplicate(row),
      enter: inbox.enter(entry),
      withdraw: inbox.withdraw(entry),
      ...(inbox.find && { find: inbox.find(entry) }),
    }
    const statements = Object.entries(programs).flatMap(([name, program]) =>
      statementsOf(program).map((statement, n) => [`${name} ${n}`, statement] as const),
    )
    for (const [name, { strings, values }] of statements) {
      await t.test(`${store.dialect}: ${name}`, () => {
        const text = strings.join('@')
        // Knex and mysql2 read `?`, TypeORM and Knex `:name`, Sequelize `$1`, `$name` and `$$`.
        assert.doesNotMatch(text, /\?|:[A-Za-z_]|\$[\w$]/)
        // Some libraries turn snake_case into camelCase.
        for (const [, alias = ''] of text.matchAll(/\bAS "?(\w+)"?(?=,|\s*$)/g)) assert.match(alias, /^[a-z]+$/)
        // What each library binds as it is.
        for (const value of values) assert.ok(value === null || ['string', 'number'].includes(typeof value))
      })
    }
  }
  for (const store of stores) await store.close()
})

/** How the documentation names each adapter, and its page. */
const PAGES: Readonly<Record<string, string>> = {
  drizzle: '[Drizzle](drizzle.md)',
  prisma: '[Prisma](prisma.md)',
  kysely: '[Kysely](kysely.md)',
  knex: '[Knex](knex.md)',
  typeorm: '[TypeORM](typeorm.md)',
  'mikro-orm': '[MikroORM](mikro-orm.md)',
  sequelize: '[Sequelize](sequelize.md)',
  'postgres-js': '[postgres.js](postgres-js.md)',
  libsql: '[libSQL](libsql.md)',
  pg: '[pg](drivers.md)',
  pglite: '[PGlite](drivers.md)',
  mysql2: '[mysql2](drivers.md)',
  'node-sqlite': '[node:sqlite](drivers.md)',
  'better-sqlite3': '[better-sqlite3](drivers.md)',
}

test('the table of the documentation is this matrix', () => {
  const cellText = (ways: Readonly<Record<string, unknown>> | string): string =>
    typeof ways === 'string'
      ? '–'
      : Object.keys(ways)
          .map((way) => way.split(/ on |, /)[1] ?? 'yes')
          .join(', ')
  const lines = Object.entries(PAGES).map(([adapter, page]) => {
    const cells = MATRIX[adapter]
    assert.ok(cells, adapter)
    return `| ${[page, ...DATABASES.map((database) => cellText(cells[database]))].join(' | ')} |`
  })
  assert.equal(lines.length, Object.keys(MATRIX).length)
  const page = readFileSync(join(root, 'docs/transactions/README.md'), 'utf8')
  const table = /<!-- matrix -->\n(?:.*\n){2}([\s\S]*?)<!-- end -->/.exec(page)?.[1]
  assert.deepEqual(table?.trim().split('\n'), lines)
})

describe('the options of adapters', () => {
  for (const adapter of ['drizzle', 'prisma', 'kysely', 'knex', 'typeorm', 'mikro-orm', 'sequelize']) {
    test(`${adapter}: the dialect is required, and there are no others`, async () => {
      const module = (await import(`../../../src/transactions/${adapter}.ts`)) as Record<
        string,
        (options?: unknown) => { readonly dialect: string }
      >
      const make = Object.entries(module).find(([name]) => name.endsWith('Transaction') && !/^is/.test(name))?.[1]
      assert.ok(make)
      for (const wrong of [undefined, {}, { dialect: 'oracle' }, { dialect: 'memory' }, { dialect: null }]) {
        assert.throws(() => make(wrong), {
          code: 'INVALID_OPTION',
          message: /dialect is .*'postgres' or 'mysql' or 'sqlite'/,
        })
      }
      assert.throws(() => make({ dialect: 'sqlite', dialekt: 1 }), { code: 'INVALID_OPTION', message: /dialekt/ })
      for (const dialect of ['postgres', 'mysql', 'sqlite']) assert.equal(make({ dialect }).dialect, dialect)
    })
  }
})
