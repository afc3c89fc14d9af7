import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceFiles } from './source-files.ts'

/** Longer than this a file is looked at for a second concept. */
const LONGEST = 300

/** What the first comment of a longer file says, with the reason: cutting it would tear one thing apart. */
const ONE_FILE = /\bin one file\b/i

const files = sourceFiles()

const isShort = (text: string): boolean => text.split('\n').length - 1 <= LONGEST

function saysWhy(text: string): boolean {
  const [comment = ''] = /\/\*\*.*?\*\/|(^\/\/.*\n)+/ms.exec(text) ?? []
  return ONE_FILE.test(comment.replace(/\s*\n \* /g, ' '))
}

test('files are short, or say why not', (t) => {
  const sizes = files.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
  sizes.sort((a, b) => b.lines - a.lines)
  const median = sizes[Math.floor(sizes.length / 2)]?.lines
  const [longest] = sizes
  t.diagnostic(`src: ${sizes.length} files, median ${median} lines, longest ${longest?.lines} (${longest?.path})`)
  assert.deepEqual(
    files.flatMap(({ path, text }) => (isShort(text) || saysWhy(text) ? [] : [path])),
    [],
    'cut it in two, or let its first comment say why it stands "in one file"',
  )
  const stale = files.filter(({ text }) => isShort(text) && saysWhy(text)).map(({ path }) => path)
  assert.deepEqual(stale, [], 'no longer too long: it need not say why it stands "in one file"')
})

test('no file is a drawer', () => {
  const drawer = /(^|\/)(utils?|helpers?|common|lib|misc|interfaces|types|shared)(\/|\.ts$)/
  assert.deepEqual(
    files.filter(({ path }) => drawer.test(path)).map(({ path }) => path),
    [],
  )
})

const FORBIDDEN: readonly { readonly name: string; readonly in: 'code' | 'text'; readonly pattern: RegExp }[] = [
  { name: 'any', in: 'code', pattern: /(?<!\.)\bany\b(?!\s*[:?(])/ },
  { name: 'non-null assertion', in: 'code', pattern: /[\w)\]]!(?=[.,;)\]}\s[])/ },
  { name: '@ts- comment', in: 'text', pattern: /@ts-(ignore|expect-error|nocheck)/ },
  { name: 'biome-ignore', in: 'text', pattern: /biome-ignore/ },
  { name: 'work left undone', in: 'text', pattern: /\b(TODO|FIXME|XXX)\b/ },
]

for (const { name, in: where, pattern } of FORBIDDEN) {
  test(`src has no ${name}`, () => {
    const lines = files.flatMap((file) =>
      file[where].split('\n').flatMap((line) => (pattern.test(line) ? [`${file.path}: ${line.trim()}`] : [])),
    )
    assert.deepEqual(lines, [])
  })
}

test('the patterns find what they forbid', () => {
  const samples = ['let x: any', 'a.b!.c', '// @ts-ignore', '// biome-ignore lint: x', '// TODO']
  FORBIDDEN.forEach(({ pattern }, index) => {
    assert.match(samples[index] ?? '', pattern)
  })
})
