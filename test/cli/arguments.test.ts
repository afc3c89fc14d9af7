import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readArguments } from '../../src/cli/arguments.ts'
import type { CommandOptions } from '../../src/cli/command-options.ts'
import { UsageError } from '../../src/cli/exit-codes.ts'
import { runCli } from '../../src/cli/run.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

const TABLE = {
  limit: { kind: 'integer', min: 1, max: 100, env: 'T_LIMIT', help: '' },
  wait: { kind: 'duration', help: '' },
  since: { kind: 'instant', help: '' },
  name: { kind: 'text', env: 'T_NAME', help: '' },
  status: { kind: 'list', help: '' },
  mode: { kind: 'choice', choices: ['block', 'skip'], help: '' },
  'dry-run': { kind: 'flag', env: 'T_DRY', help: '' },
} as const satisfies CommandOptions

const NOW = new Date('2026-06-01T00:00:00Z')
const read = (args: readonly string[], env: Record<string, string> = {}) =>
  readArguments(args, TABLE, env, { now: () => NOW })

test('a time after which something is deleted needs its unit', () => {
  const table = { published: { kind: 'duration', unit: 'required', help: '' } } as const satisfies CommandOptions
  const age = (text: string) => readArguments(['--published', text], table, {}, { now: () => NOW }).options.published
  for (const text of ['7', '1.5', '007']) {
    const message = `--published is ${text}, which says no unit; write ${text}d for days or ${text}s for seconds`
    assert.throws(() => age(text), new UsageError(message))
  }
  assert.deepEqual(['0', '7d', '7s'].map(age), [0, 604_800_000, 7000])
})

test('every kind of option', () => {
  const { options, positionals } = read([
    ...['one', '--limit', '5', '--wait=1.5s', '--since', '2h', '--name', '-x', 'two'],
    ...['--status', 'failed,retry', '--status=pending', '--mode', 'skip', '--dry-run', '--json', '-h', '-'],
  ])
  assert.deepEqual(positionals, ['one', 'two', '-'])
  assert.equal(options.limit, 5)
  assert.equal(options.wait, 1500)
  assert.equal(options.since?.toISOString(), '2026-05-31T22:00:00.000Z')
  assert.equal(options.name, '-x')
  assert.deepEqual(options.status, ['failed', 'retry', 'pending'])
  assert.equal(options.mode, 'skip')
  assert.equal(options['dry-run'], true)
  assert.equal(options.json, true)
  assert.equal(options.help, true)
})

test('what is not given is absent, an empty list or false', () => {
  const { options } = read([])
  assert.deepEqual([options.limit, options.wait, options.since, options.name, options.mode], Array(5).fill(undefined))
  assert.deepEqual([options.status, options['dry-run'], options.json], [[], false, false])
})

test('the environment is used when the option is not given', () => {
  assert.equal(read([], { T_LIMIT: '7' }).options.limit, 7)
  assert.equal(read(['--limit', '9'], { T_LIMIT: '7' }).options.limit, 9)
  assert.equal(read([], { T_LIMIT: '' }).options.limit, undefined)
  assert.equal(read([], { T_DRY: '1' }).options['dry-run'], true)
  assert.equal(read([], { T_DRY: 'false' }).options['dry-run'], false)
  assert.throws(() => read([], { T_LIMIT: 'x' }), /^UsageError: T_LIMIT is x; give a whole number, from 1 to 100/)
})

for (const [text, milliseconds] of [
  ['5', 5000],
  ['250ms', 250],
  ['0.5s', 500],
  ['10m', 600_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
] as const) {
  test(`the duration ${text}`, () => {
    assert.equal(read(['--wait', text]).options.wait, milliseconds)
  })
}

test('an instant may be a date', () => {
  assert.equal(read(['--since', '2026-01-31T12:00:00Z']).options.since?.toISOString(), '2026-01-31T12:00:00.000Z')
})

for (const [args, message] of [
  [['--limti', '5'], 'there is no option --limti; did you mean "--limit"?'],
  [['--frobnicate'], 'there is no option --frobnicate'],
  [['--limit', '0'], '--limit is 0; give a whole number, from 1 to 100'],
  [['--limit', '101'], '--limit is 101; give a whole number, from 1 to 100'],
  [['--limit', '1.5'], '--limit is 1.5; give a whole number, from 1 to 100'],
  [['--limit'], '--limit needs a value: --limit <integer>'],
  [['--limit', '--json'], '--limit needs a value: --limit <integer>'],
  [['--name', '--json'], '--name needs a value: --name <text>'],
  [['--dry-run=yes'], '--dry-run takes no value'],
  [['--mode', 'blok'], '--mode is blok; did you mean "block"?'],
  [['--mode', 'other'], '--mode is other; give one of block, skip'],
  [['--wait', 'soon'], '--wait is soon; give seconds, or a number with a unit: 250ms, 5s, 10m, 2h, 7d'],
] as const) {
  test(`refused: ${args.join(' ')}`, () => {
    assert.throws(
      () => read(args),
      (error: unknown) => error instanceof UsageError && error.message === message,
    )
  })
}

test('how often a command looks is neither all the time nor seldomer than a timer can wait', async () => {
  for (const command of ['tail', 'top']) {
    for (const wrong of ['0', '100d']) {
      const terminal = new FakeTerminal(tmpdir())
      assert.equal(await runCli([command, '--interval', wrong], terminal, ''), 2)
      assert.match(terminal.notes.join('\n'), /--interval is \w+; give a time from 10 ms to 24 h/)
    }
  }
})

test('a flag of the environment is on or off, and nothing else', () => {
  for (const on of ['1', 'true', 'yes', 'on']) assert.equal(read([], { T_DRY: on }).options['dry-run'], true, on)
  for (const off of ['0', 'false', 'no', 'off', ''])
    assert.equal(read([], { T_DRY: off }).options['dry-run'], false, off)
  const message = 'T_DRY is maybe; give true or false (1 or 0, yes or no, on or off)'
  assert.throws(() => read([], { T_DRY: 'maybe' }), new UsageError(message))
  assert.equal(read(['--dry-run'], { T_DRY: 'maybe' }).options['dry-run'], true, 'what was typed counts')
})

test('--env-file: one that is not there is told before anything is done, and what one sets may be an option', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-env-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const missing = new FakeTerminal(folder)
  await runCli(['stats', '--env-file', '/nope'], missing, '')
  assert.match(missing.notes.join('\n'), /--env-file \/nope cannot be read; give a file with lines such as NAME=value/)
  writeFileSync(join(folder, 'mine.env'), 'BROADCASTER_CONFIG=there-is-none.ts\n')
  const before = process.env['BROADCASTER_CONFIG']
  delete process.env['BROADCASTER_CONFIG']
  t.after(() => {
    if (before === undefined) delete process.env['BROADCASTER_CONFIG']
    else process.env['BROADCASTER_CONFIG'] = before
  })
  const terminal = new FakeTerminal(folder)
  Object.defineProperty(terminal, 'env', { value: process.env })
  await runCli(['stats', '--env-file', 'mine.env'], terminal, '')
  assert.match(terminal.notes.join('\n'), /there is no configuration file \S+there-is-none\.ts/)
})
