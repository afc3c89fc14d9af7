import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { VERSION } from '../../src/foundation/version.ts'
import { bin, packInto, runIn } from '../support/packed-package.ts'
import { root } from './source-files.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly files: readonly string[]
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith('.json'))
const specifier = (entry: string): string => join(manifest.name, entry).replace(/\/$/, '')

test('the version that workers tell is that of the package', () => {
  assert.equal(VERSION, manifest.version)
})

/** Built and packed as for a release, then unpacked in a folder where no other package is. */
describe('the packed tarball', () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-package-'))
  const stage = join(folder, 'stage')
  const installed = join(folder, 'app/node_modules', manifest.name)
  let tarball = ''

  before(() => {
    mkdirSync(stage)
    tarball = packInto(stage)
    mkdirSync(installed, { recursive: true })
    runIn(installed, 'tar', '-xzf', tarball, '--strip-components=1')
    writeFileSync(join(folder, 'app/package.json'), '{ "type": "module" }')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('holds what is promised and nothing else', (t) => {
    const listed = runIn(stage, 'tar', '-tzf', tarball).trim().split('\n')
    t.diagnostic(`${listed.length} files in the tarball`)
    const tops = new Set(listed.map((path) => path.split('/')[1]))
    const pages = ['README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
    for (const expected of ['dist', 'src', 'docs', 'examples', 'ops', 'package.json', ...pages]) {
      assert.ok(tops.has(expected), `${expected} is missing`)
      tops.delete(expected)
    }
    assert.deepEqual([...tops], [])
  })

  test('holds the pages of the admin, small, and without what a strict content security policy refuses', (t) => {
    const folder = join(installed, 'dist/admin-http/ui')
    const files = globSync('**/*', { cwd: folder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
    const size = files.reduce((all, file) => all + gzipSync(readFileSync(file)).length, 0)
    t.diagnostic(`the pages of the admin: ${files.length} files, ${size} bytes gzipped`)
    assert.ok(size < 150_000, `${size} bytes`)
    const page = readFileSync(join(folder, 'index.html'), 'utf8')
    assert.match(page, /<base href="\/" \/>/, 'where the server writes the base path')
    assert.match(page, /<script [^>]*src="\.\/assets\/[^"]+"><\/script>/)
    assert.doesNotMatch(page, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/, 'nothing inline')
  })

  test('links of its pages lead to what it holds', () => {
    const dead: string[] = []
    const pages = globSync('**/*.md', { cwd: installed })
    for (const page of pages) {
      const text = readFileSync(join(installed, page), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
        if (!existsSync(join(installed, dirname(page), target))) dead.push(`${page}: ${target}`)
      }
    }
    assert.ok(pages.includes('docs/errors.md'), 'which comments of errors name')
    assert.deepEqual(dead, [])
  })

  for (const entry of entries) {
    test(`${specifier(entry)} imports with no peer installed`, () => {
      const names = runIn(
        join(folder, 'app'),
        process.execPath,
        '--input-type=module',
        '--eval',
        `console.log(Object.keys(await import('${specifier(entry)}')).length)`,
      )
      assert.ok(Number(names) > 0, 'exports nothing')
    })
  }

  test('importing every entry keeps nothing open, and writes nothing', () => {
    const imports = entries.map((entry) => `await import('${specifier(entry)}')`).join('\n')
    const open = 'process.getActiveResourcesInfo().filter((name) => !/PipeWrap|TTYWrap/.test(name)).join()'
    const said = runIn(
      join(folder, 'app'),
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '--eval',
      `${imports}\nprocess.stdout.write(${open})`,
    )
    assert.equal(said, '')
  })

  test('its types compile for a user who checks libraries too', () => {
    const app = join(folder, 'app')
    const uses = entries.map((entry, n) => `import * as entry${n} from '${specifier(entry)}'\nvoid entry${n}\n`)
    writeFileSync(join(app, 'user.ts'), uses.join(''))
    // Types of Node are all that a user needs beside this package.
    mkdirSync(join(app, 'node_modules/@types'))
    symlinkSync(join(root, 'node_modules/@types/node'), join(app, 'node_modules/@types/node'))
    symlinkSync(join(root, 'node_modules/undici-types'), join(app, 'node_modules/undici-types'))
    runIn(
      app,
      bin('tsc'),
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
      'user.ts',
    )
  })

  test('the command runs', () => {
    const said = runIn(join(folder, 'app'), process.execPath, join(installed, 'dist/cli/main.js'), '--version')
    assert.equal(said.trim(), manifest.version)
  })

  test('publint is content', async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false })
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    )
  })

  test('are-the-types-wrong is content', () => {
    runIn(stage, bin('attw'), tarball, '--profile', 'esm-only', '--no-emoji', '--format', 'ascii')
  })
})

test('package.json says where the project is and where faults are told', () => {
  const { repository, homepage, bugs } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >
  assert.match(JSON.stringify(repository), /git\+https:/)
  for (const url of [homepage, bugs]) assert.match(String(url), /^https:/)
})

test('the lock file names no registry', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  assert.doesNotMatch(lock, /"resolved":(?! "ui",)/, 'but for the workspace')
  assert.doesNotMatch(lock, /https?:\/\/[^"]*\.tgz/)
})
