import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { root } from './source-files.ts'

/*
 * Every ```ts block of the README and of docs/ is compiled by itself, as a user's file would be.
 *   <!-- setup ... -->      before a block: declarations that the reader need not see
 *   <!-- continues -->      before a block: it goes on where the previous block of the page ended
 *   ```ts nocheck           not compiled: say in the text why it cannot be
 */

interface Block {
  readonly page: string
  /** The line of the page where the code begins, from 1. */
  readonly line: number
  readonly code: string
}

const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()].filter((page) =>
  existsSync(join(root, page)),
)

function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(join(root, page), 'utf8')
  const blocks: Block[] = []
  let setup = ''
  let continues = false
  const pieces = /<!-- setup\n([\s\S]*?)-->|<!-- (continues) -->|^```(ts|typescript)\n([\s\S]*?)^```$/gm
  for (const found of text.matchAll(pieces)) {
    const [, declarations, continued, language, code = ''] = found
    if (declarations !== undefined) setup = declarations
    if (continued !== undefined) continues = true
    if (language === undefined) continue
    const line = text.slice(0, found.index).split('\n').length + 1
    const before = continues ? (blocks.pop()?.code ?? '') : ''
    blocks.push({ page, line, code: `${before}${setup}${code}` })
    setup = ''
    continues = false
  }
  return blocks
}

/** `ts-broadcaster` and its entries, to their sources, as package.json has them. */
function paths(): Record<string, string[]> {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly name: string
    readonly exports: Record<string, string | { readonly 'ts-broadcaster-source': string }>
  }
  return Object.fromEntries(
    Object.entries(exports).flatMap(([entry, target]) =>
      typeof target === 'string'
        ? []
        : [[join(name, entry).replace(/\/$/, ''), [join(root, target['ts-broadcaster-source'])]]],
    ),
  )
}

test('the code in README and docs compiles', (t) => {
  const blocks = pages.flatMap(blocksOf)
  assert.ok(blocks.length > 0, 'no code found in the documentation')
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
    readonly compilerOptions: Record<string, unknown>
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { ...compilerOptions, noUnusedLocals: false, noUnusedParameters: false, paths: paths() },
      include: ['pages'],
    }),
  )
  for (const { page, line, code } of blocks) {
    const file = join(folder, 'pages', `${page}.line-${line}.ts`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, code)
  }
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const wrong = tsc.stdout.split('\n').filter((line) => line.startsWith('pages/') || line.startsWith(' '))
  t.diagnostic(`${blocks.length} blocks of code in ${pages.length} pages`)
  assert.deepEqual(wrong, [])
})

test('links between pages lead somewhere', () => {
  const dead: string[] = []
  for (const page of [...pages, 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']) {
    if (!existsSync(join(root, page))) continue
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
      if (!existsSync(join(root, dirname(page), target))) dead.push(`${page}: ${target}`)
    }
  }
  assert.deepEqual(dead, [])
})
