import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMMON_OPTIONS, type OptionSpec } from '../../src/cli/command-options.ts'
import { commands } from '../../src/cli/commands.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { ERROR_CODES } from '../../src/errors.ts'
import { SIGNAL_NAMES } from '../../src/telemetry/signals.ts'
import { root, sourceFiles } from './source-files.ts'

/** The rows of the Markdown tables of a page whose first cell is code: the cells, without their backticks. */
function rowsOf(page: string): readonly (readonly string[])[] {
  return readFileSync(join(root, page), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .map(([first = '', ...others]) => [first.replaceAll('`', ''), ...others])
}

test('docs/errors.md lists the error codes, each once and with its retryable', () => {
  const documented = rowsOf('docs/errors.md').map(([code, retryable]) => `${code} ${retryable}`)
  const real = Object.entries(ERROR_CODES).map(([code, { retryable }]) => `${code} ${retryable ? 'yes' : 'no'}`)
  assert.deepEqual(documented.toSorted(), real.toSorted())
})

test('every error code has a meaning and a cure', () => {
  for (const [code, , meaning, cure] of rowsOf('docs/errors.md')) {
    assert.ok(meaning && cure, `${code} has an empty cell`)
  }
})

test('every error code is used', () => {
  const used = new Set<string>()
  for (const { text } of sourceFiles()) {
    // In the table itself a code is a key, and not in quotes.
    for (const [, code = ''] of text.matchAll(/'([A-Z]+(?:_[A-Z]+)*)'/g)) used.add(code)
  }
  assert.deepEqual(
    Object.keys(ERROR_CODES).filter((code) => !used.has(code)),
    [],
  )
})

test('docs/signals.md lists the signals, each once', () => {
  assert.deepEqual(
    rowsOf('docs/signals.md')
      .map(([name]) => name)
      .toSorted(),
    SIGNAL_NAMES.toSorted(),
  )
})

test('docs/signals.md names the fields of each message', () => {
  const source = sourceFiles().find(({ path }) => path === 'src/telemetry/signals.ts')?.text ?? ''
  const start = source.indexOf('export interface Signals {')
  const body = source.slice(start, source.indexOf('\n}\n', start))
  const membersOf = (type: string): string =>
    new RegExp(`export interface ${type} \\{([^}]*)\\}`).exec(source)?.[1] ?? ''
  const fields = new Map(
    Array.from(body.matchAll(/^ {2}'([\w.]+)': (?:\{([^}]*)\}|(\w+)$)/gm), ([, name, members, type = '']) => [
      name,
      Array.from((members ?? membersOf(type)).matchAll(/readonly (\w+):/g), ([, field]) => field),
    ]),
  )
  assert.equal(fields.size, SIGNAL_NAMES.length)
  for (const [name, , message = ''] of rowsOf('docs/signals.md')) {
    assert.deepEqual(
      message.split(',').map((field) => field.trim().replaceAll('`', '')),
      fields.get(name),
      name,
    )
  }
})

test('every signal is emitted somewhere', () => {
  const emitted = new Set<string>()
  for (const { path, text } of sourceFiles()) {
    if (path === 'src/telemetry/signals.ts') continue
    for (const [, name = ''] of text.matchAll(/'(\w+\.\w+)'/g)) emitted.add(name)
  }
  assert.deepEqual(
    SIGNAL_NAMES.filter((name) => !emitted.has(name)),
    [],
  )
})

test('docs/cli.md lists the commands and the exit codes', () => {
  const documented = rowsOf('docs/cli.md').map(([first]) => first)
  const codes = [...Object.values(EXIT).map(String), '130, 143']
  assert.deepEqual(documented, [...commands.map(({ name }) => name), ...codes])
})

test('docs/configuration.md lists every environment variable with its option', () => {
  const documented = rowsOf('docs/configuration.md').map(([variable, option]) => `${variable} ${option}`)
  const specs = [
    ...Object.entries(COMMON_OPTIONS).map(([name, spec]) => ({ label: `--${name}`, spec: spec as OptionSpec })),
    ...commands.flatMap((command) =>
      // `init` has its own `--config`: the same variable, and the file is written.
      Object.entries(command.options)
        .filter(([name]) => !Object.hasOwn(COMMON_OPTIONS, name))
        .map(([name, spec]) => ({ label: `${command.name} --${name}`, spec })),
    ),
  ]
  const real = specs.flatMap(({ label, spec }) => (spec.env === undefined ? [] : [`${spec.env} \`${label}\``]))
  assert.deepEqual(documented.toSorted(), real.toSorted())
})
