import { relative, resolve } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

/** Of one error: the statement of a driver's error is long, and what failed must still be in sight at the end. */
const MOST_LINES = 60
/** A line of the default logger. */
const TOLD = /^\d{4}-\d\d-\d\dT[\d:.]+Z broadcaster: .*\n?/gm

interface Failure {
  readonly file: string
  readonly name: string
  readonly error: unknown
}

/** What one file has come to; taken back as a whole when the file is repeated. */
interface FileReport {
  passed: number
  failed: number
  skipped: number
  /** Milliseconds spent in its top-level tests. */
  time: number
  output: string
  /** Names of the tests around the one that is reported next, by nesting. */
  readonly path: string[]
}

type Outcome = Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>

/**
 * Turns the events of Node's test runner into a report for people: a line for each file, what the tests printed,
 * failures in full, the slowest tests, why tests were left out, and the counts as the last line.
 */
export class TestReport {
  passed = 0
  failed = 0
  skipped = 0
  readonly #root: string
  readonly #print: (text: string) => void
  readonly #files = new Map<string, FileReport>()
  readonly #ended = new Map<string, FileReport>()
  #failures: Failure[] = []
  /** What failed in files that were then run again. */
  #first: Failure[] = []
  readonly #reasons = new Map<string, number>()
  readonly #slow: { readonly name: string; readonly time: number }[] = []

  constructor(root: string, print: (text: string) => void) {
    this.#root = root
    this.#print = print
  }

  accept(event: TestEvent): void {
    if (event.type === 'test:start') {
      const { nesting, name } = event.data
      const path = this.#file(testFile(event.data)).path
      path.length = nesting
      path.push(name)
    } else if (event.type === 'test:pass' || event.type === 'test:fail') {
      this.#outcome(event)
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      this.#file(testFile(event.data)).output += event.data.message
    } else if (event.type === 'test:diagnostic' && event.data.file !== undefined) {
      this.#file(testFile(event.data)).output += `${event.data.message}\n`
    } else if (event.type === 'test:summary') {
      const file = testFile(event.data)
      if (file !== undefined) this.#fileEnded(file)
    }
  }

  /** The files with a failure so far, as the runner names them. */
  get failedFiles(): readonly string[] {
    return [...new Set(this.#failures.map(({ file }) => resolve(this.#root, file)))]
  }

  /** Takes back what these files came to, because they are run once more. What failed in them is told at the end all the same. */
  repeat(files: readonly string[]): void {
    for (const file of files) {
      const { passed = 0, failed = 0, skipped = 0 } = this.#ended.get(file) ?? {}
      this.passed -= passed
      this.failed -= failed
      this.skipped -= skipped
      this.#ended.delete(file)
    }
    const short = new Set(files.map((file) => this.#short(file)))
    this.#first = this.#failures.filter(({ file }) => short.has(file))
    this.#failures = this.#failures.filter(({ file }) => !short.has(file))
    this.#print('\nOnce more, alone:\n')
  }

  /** Prints what came after the last file; the counts stand alone on the last line. */
  end(seconds: number): void {
    for (const file of [...this.#files.keys()]) this.#fileEnded(file)
    if (this.#slow.length > 0) {
      this.#print('\nSlowest:\n')
      this.#slow.sort((a, b) => b.time - a.time)
      for (const { name, time } of this.#slow.slice(0, 5)) this.#print(`  ${formatTime(time).padStart(8)}  ${name}\n`)
    }
    if (this.#reasons.size > 0) {
      this.#print('\nLeft out:\n')
      for (const [reason, count] of this.#reasons) this.#print(`  ${String(count).padStart(4)}  ${reason}\n`)
    }
    for (const failure of this.#first) this.#describe('failed at first', failure)
    for (const failure of this.#failures) this.#describe('✖', failure)
    this.#list('Failed at first, then run once more with its whole file', this.#first)
    this.#list('Failed', this.#failures)
    if (this.passed + this.failed === 0) {
      this.failed++
      this.#print('\n✖ no test ran\n')
    }
    this.#print(`\nTook ${seconds.toFixed(1)} s.\n`)
    this.#print(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped\n`)
  }

  #describe(mark: string, { file, name, error }: Failure): void {
    // Cancelled with the suite around it, whose own failure says why.
    const because = failureType(error) === 'cancelledByParent' ? '' : `\n${indent(describeError(error))}`
    this.#print(`${because === '' ? '' : '\n'}${mark} ${file}: ${name}${because}\n`)
  }

  #list(title: string, failures: readonly Failure[]): void {
    if (failures.length > 0) this.#print(`\n${title}:\n`)
    for (const { file, name } of failures) this.#print(`  ${file}: ${name}\n`)
  }

  #outcome({ type, data }: Outcome): void {
    if (data.name === data.file) {
      this.#wholeFile(data)
      return
    }
    const file = testFile(data)
    const report = this.#file(file)
    const path = [...report.path.slice(0, data.nesting), data.name]
    const name = path.join(' > ')
    if (data.nesting === 0) report.time += data.details.duration_ms
    if (data.skip !== undefined || data.todo !== undefined) {
      report.skipped++
      this.skipped++
      const reason = data.skip ?? data.todo
      this.#count(typeof reason === 'string' && reason !== '' ? reason : `no reason given: ${name}`)
    } else if (type === 'test:fail') {
      // A parent that failed only because a test in it did would be counted and shown twice.
      if (failureType(data.details.error) === 'subtestsFailed') return
      report.failed++
      this.failed++
      this.#failures.push({ file: this.#short(file), name, error: data.details.error })
    } else if (data.details.type !== 'suite') {
      report.passed++
      this.passed++
      this.#slow.push({ name: `${this.#short(file)}: ${name}`, time: data.details.duration_ms })
    }
  }

  /** The runner reports a file by itself when it held no test, crashed, or did not end in time. */
  #wholeFile(data: Outcome['data']): void {
    const error = 'error' in data.details ? data.details.error : 'no test in this file'
    this.#file(data.name).failed++
    this.failed++
    this.#failures.push({ file: this.#short(data.name), name: '(the whole file)', error })
    this.#fileEnded(data.name)
  }

  #fileEnded(file: string): void {
    const report = this.#files.get(file)
    if (report === undefined) return
    this.#files.delete(file)
    this.#ended.set(file, report)
    const counts = [
      `${report.passed} passed`,
      ...(report.failed > 0 ? [`${report.failed} failed`] : []),
      ...(report.skipped > 0 ? [`${report.skipped} skipped`] : []),
    ]
    const mark = report.failed > 0 ? '✖' : '✔'
    this.#print(`${mark} ${this.#short(file)}  ${counts.join(', ')}  (${formatTime(report.time)})\n`)
    // Workers and consumers tell people on standard error what they do; a file whose tests passed needs no telling.
    const output = report.failed > 0 ? report.output : report.output.replaceAll(TOLD, '')
    if (output.trim() !== '') this.#print(`${indent(output.trimEnd())}\n`)
  }

  #file(file: string | undefined): FileReport {
    const key = file ?? '(no file)'
    const known = this.#files.get(key)
    if (known !== undefined) return known
    const made: FileReport = { passed: 0, failed: 0, skipped: 0, time: 0, output: '', path: [] }
    this.#files.set(key, made)
    return made
  }

  #short(file: string | undefined): string {
    return file === undefined ? '(no file)' : relative(this.#root, file)
  }

  #count(reason: string): void {
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1)
  }
}

/** The file that the runner ran: a test may stand in another one, such as a conformance suite. */
function testFile(data: { readonly file?: string | undefined }): string | undefined {
  return 'entryFile' in data && typeof data.entryFile === 'string' ? data.entryFile : data.file
}

function failureType(error: unknown): unknown {
  return error instanceof Error && 'failureType' in error ? error.failureType : undefined
}

/** The runner wraps what a test threw: people want the thing itself. */
function describeError(error: unknown): string {
  const thrown = error instanceof Error && error.cause !== undefined ? error.cause : error
  const text =
    typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 6, maxStringLength: 500, maxArrayLength: 20 })
  const lines = text.split('\n')
  const left = lines.length - MOST_LINES
  return left > 0 ? [...lines.slice(0, MOST_LINES), `... ${left} more lines`].join('\n') : text
}

function formatTime(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
