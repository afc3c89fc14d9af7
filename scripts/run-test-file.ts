import { spawn } from 'node:child_process'

/** What one file of tests came to. */
export interface Run {
  readonly how: 'passed' | 'failed' | 'hung'
  /** The first test that failed. */
  readonly test: string | undefined
  /** In ms. */
  readonly took: number
}

export interface RunLimits {
  /** One test may take this long, in ms: then it has failed, and is named. */
  readonly test: number
  /** The whole file, in ms: beyond that it hangs, and no test said so. */
  readonly file: number
}

/** A test failed, in TAP. */
const FAILURE = /not ok \d+ - (.*)\n/

/** Runs the tests of one file until one fails. Ends in bounded time whatever they do, and all that they started with them. */
export async function runTestFile(path: string, cwd: string, limits: RunLimits): Promise<Run> {
  const start = performance.now()
  // Within tests the runner would speak to that of the parent.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const options = ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning']
  // One that loops must end although whoever started it was killed and cannot end it: several processors' worth of its time.
  const bounded = `ulimit -t ${Math.ceil((4 * limits.file) / 1_000)}; exec "$@"`
  const child = spawn(
    'sh',
    [
      ...['-c', bounded, 'sh', process.execPath],
      ...['--import=./test/support/leak-check.ts', '--test-reporter=tap', `--test-timeout=${limits.test}`, path],
    ],
    // A group of its own: processes that a test starts end with it.
    {
      cwd,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: { ...env, NODE_OPTIONS: options.join(' ') },
    },
  )
  let output = ''
  const end = (): void => {
    // A process that left the group may hold the other end for ever.
    child.stdout.destroy()
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // None is left.
    }
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
  }, limits.file)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearTimeout(limit)
  process.off('exit', end)
  end()
  const test = FAILURE.exec(output)?.[1]
  const how = test !== undefined ? 'failed' : hung ? 'hung' : code === 0 ? 'passed' : 'failed'
  return { how, test, took: performance.now() - start }
}
