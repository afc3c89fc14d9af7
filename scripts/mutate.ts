/**
 * `npm run mutate` plants the bugs of `test/mutants` one at a time in a copy of the project, and runs the tests that should notice;
 * `npm run mutate -- lease settle` those whose name or file has one of the words. Fails when one survives that is not explained.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Mutant, planted } from '../test/mutants/mutant.ts'
import { mutants } from '../test/mutants/mutants.ts'
import { type Run, runTestFile } from './run-test-file.ts'

const LIMITS = { test: 30_000, file: 120_000 }

const root = dirname(import.meta.dirname)
const words = process.argv.slice(2)
const chosen = mutants.filter(
  ({ name, file }) => words.length === 0 || words.some((word) => name.includes(word) || file.includes(word)),
)
const copy = copyOfProject()
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
process.on('SIGHUP', () => process.exit(129))
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

function runTests(file: string): Promise<Run> {
  return runTestFile(`test/${file}.test.ts`, copy, LIMITS)
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
