import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../project/source-files.ts'

/** What is misspelt in an event: the compiler must not suggest a name that is refused. */
const MISSPELT = {
  partionKey: 'partitionKey',
  dataContntType: 'dataContentType',
  dataShema: 'dataSchema',
  extnsions: 'extensions',
  subjct: 'subject',
}

test('the compiler suggests the names that publish takes', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-suggested-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const names = Object.keys(MISSPELT)
  const calls = names.map((name) => `void broadcaster.publish({}, { ...event, ${name}: 'x' })`)
  writeFileSync(
    join(folder, 'a.ts'),
    [
      `import type { CloudEventInput, EventInput } from '${root}/src/publish/event-input.ts'`,
      'declare const broadcaster: { publish(tx: unknown, event: EventInput | CloudEventInput): Promise<void> }',
      `const event = { type: 'order.created', source: '/orders' }`,
      ...calls,
    ].join('\n'),
  )
  const args = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--skipLibCheck',
  ]
  const more = ['--allowImportingTsExtensions', '--pretty', 'false', '--typeRoots', join(root, 'node_modules/@types')]
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), [...args, ...more, '--types', 'node', 'a.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const suggested = Array.from(stdout.matchAll(/'(\w+)' does not exist in .* mean to write '(\w+)'/g), ([, a, b]) => [
    a,
    b,
  ])
  assert.deepEqual(Object.fromEntries(suggested), MISSPELT, stdout)
})
