import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../project/source-files.ts'
import { servers } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'

/** How deep `[[...]]` is, as a text. */
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

/**
 * Where a database's own check of JSON differs from that of publish. The page says the same in words: each text that is
 * written there stands here.
 */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  'a number that ends too early': ['[1.]', '[-]', '[1e]', '[1e+]', '1.', '[1.e1]'],
  'an escape that there is none of': ['["\\x"]'],
  'an escaped surrogate without its other half': ['["\\ud800"]', '["\\udc00"]'],
  'what follows a NUL': ['123\0', '{"a":1}\0'],
  'as deep as a hundred': [nested(32), nested(100)],
  'deeper than a hundred': [nested(101), nested(1_000)],
  'deeper than a thousand': [nested(1_001)],
  'a number beyond 64-bit floating point': ['1e999'],
  // What all of them agree on
  wrong: [
    '[01]',
    '[+1]',
    '[.5]',
    '["\\u12"]',
    '[1,]',
    '{"a":1,}',
    '{"a"}',
    '[1 2]',
    '["\t"]',
    '[NaN]',
    "['a']",
    '[',
    '',
  ],
  right: ['[1.5e+3]', '-0', '["\\ud83d\\ude00"]', nested(31), '{"a":1,"a":2}', '["\\/"]', ' 1 '],
}

/** What each takes, of those that it does not take as publish does. */
const DIFFERS: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
  mariadb: {
    'a number that ends too early': true,
    'an escape that there is none of': true,
    'an escaped surrogate without its other half': false,
    'as deep as a hundred': false,
    'deeper than a hundred': false,
    'deeper than a thousand': false,
  },
  mysql: {
    'what follows a NUL': true,
    'an escaped surrogate without its other half': false,
    'deeper than a hundred': false,
    'deeper than a thousand': false,
    'a number beyond 64-bit floating point': false,
  },
  sqlite: { 'what follows a NUL': true, 'deeper than a thousand': false },
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('JSON that SQL publishes', () => {
  for (const { name, server, open } of PLACED_STORES) {
    const differs = DIFFERS[name]
    if (differs === undefined) continue
    const skip = server !== undefined && !servers[server]() ? `no ${server}` : false
    test(`${name}: is what publish takes, but for what docs/sql.md says`, { skip }, async () => {
      const { store, look, close } = await open()
      try {
        await store.schema.migrate()
        for (const [kind, texts] of Object.entries(TEXTS)) {
          for (const text of texts) {
            const hex = `X'${Buffer.from(text).toString('hex')}'`
            const publish =
              name === 'sqlite'
                ? `INSERT INTO outbox_publish (type, source, data) VALUES ('a', '/x', CAST(${hex} AS TEXT))`
                : `CALL outbox_publish('a', '/x', CONVERT(${hex} USING utf8mb4), NULL)`
            const isTaken = await look(publish).then(
              () => true,
              () => false,
            )
            const shown = `${kind}: ${JSON.stringify(text.slice(0, 20))} of ${text.length}`
            assert.equal(isTaken, differs[kind] ?? isJson(text), shown)
          }
        }
      } finally {
        await close()
      }
    })
  }

  test('docs/sql.md names what differs', () => {
    const page = readFileSync(join(root, 'docs/sql.md'), 'utf8')
    for (const text of ['`[1.]`', '`[-]`', '`["\\x"]`', '`"\\ud800"`', '`1e999`', 'NUL', '32 levels', '100 levels']) {
      assert.ok(page.includes(text), text)
    }
  })
})
