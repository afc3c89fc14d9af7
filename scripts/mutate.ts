/**
 * `npm run mutate` plants the bugs of `test/mutants` one at a time in a copy of the project, and runs the tests that should notice;
 * `npm run mutate -- lease settle` those whose name or file has one of the words. Fails when one survives that is not explained.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Mutant, planted } from '../test/mutants/mutant.ts'
import { mutants } from '../test/mutants/mutants.ts'

/** One test may take this long, in ms: then it has failed, and is named. */
const TEST_LIMIT = 30_000
/** One file of tests: beyond that it hangs, and no test said so. */
const FILE_LIMIT = 120_000
/** A test failed, in TAP. */
const FAILURE = /not ok \d+ - (.*)\n/

interface Run {
  readonly how: 'passed' | 'failed' | 'hung'
  /** The first test that failed. */
  readonly test: string | undefined
  readonly took: number
}

const root = dirname(import.meta.dirname)
const words = process.argv.slice(2)
const chosen = mutants.filter(
  ({ name, file }) => words.length === 0 || words.some((word) => name.includes(word) || file.includes(word)),
)
const copy = copyOfProject()
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

/** How each file of tests runs without any bug. */
const healthy = new Map<string, Run>()
const survivors: { readonly mutant: Mutant; readonly why: string }[] = []
let noticed = 0
for (const mutant of chosen) {
  const by = mutant.survives === undefined ? await whoNotices(mutant) : undefined
  const told = by ?? mutant.survives ?? 'nobody noticed'
  if (by === undefined) survivors.push({ mutant, why: told })
  else noticed++
  console.log(`${by === undefined ? 'SURVIVED' : 'noticed '}  ${mutant.file}: ${mutant.name}\n          ${told}`)
}

console.log('')
for (const { mutant, why } of survivors) console.log(`survived: ${mutant.file}: ${mutant.name}: ${why}`)
const share = chosen.length === 0 ? 100 : (100 * noticed) / chosen.length
console.log(
  `${chosen.length} planted, ${noticed} noticed (${share.toFixed(1)} %), ${survivors.length} survived, ${survivors.filter(({ mutant }) => mutant.survives !== undefined).length} of them explained`,
)
process.exitCode = survivors.some(({ mutant }) => mutant.survives === undefined) ? 1 : 0

/** The test that failed with the bug; the quickest files are run first. */
async function whoNotices(mutant: Mutant): Promise<string | undefined> {
  for (const file of mutant.tests) {
    const run = healthy.get(file) ?? (await runTests(file))
    healthy.set(file, run)
    if (run.how !== 'passed') throw new Error(`${file} ${run.how} without any bug: ${run.test}`)
  }
  const path = join(copy, mutant.file)
  const sound = readFileSync(path, 'utf8')
  writeFileSync(path, planted(mutant, sound))
  try {
    for (const file of mutant.tests.toSorted((a, b) => costOf(a) - costOf(b))) {
      const { how, test } = await runTests(file)
      if (how === 'hung') console.log(`          ${file} did not end, and no test of it said so`)
      if (how === 'failed') return `${file}: ${test ?? 'it ended before its tests'}`
    }
    return undefined
  } finally {
    writeFileSync(path, sound)
  }
}

function costOf(file: string): number {
  return healthy.get(file)?.took ?? 0
}

async function runTests(file: string): Promise<Run> {
  const start = performance.now()
  const options = ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning']
  const child = spawn(
    process.execPath,
    [
      ...['--import=./test/support/leak-check.ts', '--test-reporter=tap', `--test-timeout=${TEST_LIMIT}`],
      `test/${file}.test.ts`,
    ],
    // A group of its own: processes that a test starts end with it.
    {
      cwd: copy,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: { ...process.env, NODE_OPTIONS: options.join(' ') },
    },
  )
  let output = ''
  let isOver = false
  const end = (): void => {
    if (!isOver && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    isOver = true
  }
  process.once('exit', end)
  child.stdout.on('data', (some) => {
    output += some
    // The first that fails is enough: those behind it would each wait to their limit.
    if (FAILURE.test(output)) end()
  })
  let hung = false
  const limit = setTimeout(() => {
    hung = true
    end()
  }, FILE_LIMIT)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  isOver = true
  process.off('exit', end)
  clearTimeout(limit)
  const test = FAILURE.exec(output)?.[1]
  const how = code === 0 ? 'passed' : hung && test === undefined ? 'hung' : 'failed'
  return { how, test, took: performance.now() - start }
}

/** What is under version control, or would be, in a folder of its own, so that the sources stay as they are. */
function copyOfProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-mutants-'))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const path of listed.toString().split('\0').filter(Boolean)) {
    if (existsSync(join(root, path))) cpSync(join(root, path), join(folder, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  if (existsSync(join(root, '.services'))) symlinkSync(join(root, '.services'), join(folder, '.services'))
  return folder
}
