/**
 * `npm test` runs every test; `npm test -- redis project` those whose path contains one of the words.
 * Files named `*.alone.test.ts` measure time and so run one by one, after the others.
 */
import { globSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { run } from 'node:test'
import { pathToFileURL } from 'node:url'
import { TestReport } from './test-reporter.ts'

const root = dirname(import.meta.dirname)
/** One test may take this long, in milliseconds. The drills' full form holds locks for two minutes, ten times in a row. */
const TIMEOUT = (process.env['BROADCASTER_FULL'] === '1' ? 60 : 5) * 60_000

/** More failed files than these are no accident. */
const MOST_REPEATED = 3

// Tests import the package by its own name from its sources, and node:sqlite is experimental up to Node 24.
process.env['NODE_OPTIONS'] =
  `${process.env['NODE_OPTIONS'] ?? ''} --conditions=ts-broadcaster-source --disable-warning=ExperimentalWarning`

// Each test file, and each worker that one starts, is a process: what V8 has compiled once need not be compiled again.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules/.cache/node-compile')

const words = process.argv.slice(2)
const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort()
const alone = (file: string): boolean => file.endsWith('.alone.test.ts')

const started = performance.now()
const report = new TestReport(root, (text) => process.stdout.write(text))
await runFiles(
  files.filter((file) => !alone(file)),
  2,
)
await runFiles(files.filter(alone), 1)
await repeatFailed()
report.end((performance.now() - started) / 1000)
process.exitCode = report.failed > 0 ? 1 : 0

/**
 * With `BROADCASTER_REPEAT_FAILED=1` a few failed files are run once more, alone, and the report says so and why: the suite
 * keeps both processors busy, and a wait that was too short for that once in 7,000 tests says nothing about the code.
 * Never a drill: one event lost or out of order is one too many, however rarely.
 */
async function repeatFailed(): Promise<void> {
  const failed = report.failedFiles
  const repeatable = failed.filter((file) => !file.startsWith(join(root, 'test/faults/')))
  if (process.env['BROADCASTER_REPEAT_FAILED'] !== '1' || repeatable.length === 0 || failed.length > MOST_REPEATED)
    return
  report.repeat(repeatable)
  await runFiles(
    repeatable.map((file) => relative(root, file)),
    1,
  )
}

async function runFiles(some: readonly string[], concurrency: number): Promise<void> {
  if (some.length === 0) return
  const events = run({
    files: some.map((file) => join(root, file)),
    concurrency,
    timeout: TIMEOUT,
    cwd: root,
    execArgv: [`--import=${pathToFileURL(join(root, 'test/support/leak-check.ts')).href}`],
  })
  for await (const event of events) report.accept(event)
}
