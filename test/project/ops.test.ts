import assert from 'node:assert/strict'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { readArguments } from '../../src/cli/arguments.ts'
import { commands } from '../../src/cli/commands.ts'
import { METRICS } from '../../src/metrics/metric-table.ts'
import { promtool, skipWithoutPrometheus } from '../support/promtool.ts'
import { root } from './source-files.ts'

/* What stands in `ops/`: the rules of the alerts, their tests, the board; and a page in docs/runbooks for each alert. */

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const RULES = 'ops/prometheus/alerts.yaml'
const RULE_TESTS = 'ops/prometheus/alerts.test.yaml'
const BOARD = 'ops/grafana/broadcaster.json'
const rules = Array.from(
  read(RULES).matchAll(/^ {6}- alert: (\w+)\n[\s\S]*?runbook_url: (\S+)$/gm),
  ([, alert = '', url = '']) => ({ alert, url }),
)
const pages = globSync('docs/runbooks/*.md', { cwd: root }).sort()

/** The names of metrics in a text, as they stand in the table: those of a histogram without their ending. */
function metricsIn(text: string): readonly string[] {
  const names = Array.from(text.matchAll(/\bbroadcaster_[a-z_]+/g), ([name]) => name)
  return names.map((name) => {
    const whole = name.replace(/_(bucket|sum|count)$/, '')
    return METRICS[whole]?.kind === 'histogram' ? whole : name
  })
}

test('every metric that the rules, the board and the pages name exists', () => {
  for (const path of [RULES, RULE_TESTS, BOARD, ...pages, 'docs/metrics.md']) {
    const unknown = metricsIn(read(path)).filter((name) => !Object.hasOwn(METRICS, name))
    assert.deepEqual(unknown, [], path)
    if (!path.startsWith('docs/')) assert.ok(metricsIn(read(path)).length > 5, `${path} names metrics`)
  }
})

test('every alert has a page, which names it, and every page an alert', () => {
  assert.ok(rules.length >= 12)
  assert.equal(rules.length, read(RULES).match(/- alert:/g)?.length)
  for (const { alert, url } of rules) {
    const page = /\/blob\/main\/(docs\/runbooks\/[\w-]+\.md)$/.exec(url)?.[1] ?? ''
    assert.ok(existsSync(join(root, page)), `${alert}: ${url}`)
    assert.ok(read('docs/metrics.md').includes(`| ${alert} | [`), `docs/metrics.md names ${alert}`)
    assert.ok(read(page).includes(`Alert: \`${alert}\``), `${page} names ${alert}`)
  }
  assert.deepEqual(
    rules.map(({ url }) => basename(url)).toSorted(),
    pages.map((page) => basename(page)),
  )
})

test('every page says what it means, how to look and what to do, with commands that exist', () => {
  let count = 0
  for (const page of pages) {
    const text = read(page)
    const headings = Array.from(text.matchAll(/^## (.*)$/gm), ([, heading]) => heading)
    assert.deepEqual(headings, ['What it means', 'How to look', 'What to do'], page)
    const blocks = Array.from(text.matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, block = '']) => block.split('\n')).flat()
    assert.doesNotMatch(text, /^broadcaster |`broadcaster [a-z]+[ `]/m, `${page}: a command is written with npx`)
    const inline = Array.from(text.matchAll(/`npx (broadcaster [^`]*)`/g), ([, line = '']) => line)
    for (const line of [...blocks.filter((each) => each.startsWith('npx ')).map((each) => each.slice(4)), ...inline]) {
      const [, name = '', ...args] = line.replace(/\s+#.*$/, '').split(/\s+/)
      const command = commands.find((each) => each.name === name)
      assert.ok(command, `${page}: ${line}`)
      // Throws for an option that does not exist, or a value that does not fit.
      const { positionals } = readArguments(args, command.options, {})
      assert.ok(positionals.length === 0 || command.positionals !== undefined, `${page}: ${line}`)
      count++
    }
  }
  assert.ok(count > 20, 'commands were found')
})

test('promtool is content with the rules, and each fires and clears in its tests', {
  skip: skipWithoutPrometheus(),
}, (t) => {
  const checked = promtool(['check', 'rules', join(root, RULES)])
  assert.ok(checked.ok, checked.said)
  const tested = promtool(['test', 'rules', join(root, RULE_TESTS)])
  assert.ok(tested.ok, tested.said)
  const cases = read(RULE_TESTS).split(/^ {2}- interval/m)
  for (const { alert } of rules) {
    const own = cases.filter((one) => one.includes(`alertname: ${alert}\n`)).join('')
    assert.ok(own.includes('exp_labels'), `${alert} fires in a test`)
    assert.ok(own.includes('exp_alerts: []'), `${alert} clears in a test`)
  }
  // The control: a rule that never fires is found out.
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-rules-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(
    join(folder, 'alerts.yaml'),
    read(RULES).replace('broadcaster_blocked_keys) > 0', 'broadcaster_blocked_keys) > 99'),
  )
  writeFileSync(join(folder, 'alerts.test.yaml'), read(RULE_TESTS))
  assert.match(promtool(['test', 'rules', join(folder, 'alerts.test.yaml')]).said, /BroadcasterKeysBlocked/)
})

test('each alert fires and clears in a real Prometheus, in a drill', () => {
  const drills = ['drill', 'drill-service'].map((name) => read(`test/prometheus/${name}.test.ts`)).join('')
  for (const { alert } of rules) {
    assert.ok(drills.includes(`alerts.until('${alert}', true`), `${alert} fires in a drill`)
    // It clears after it has fired.
    assert.match(
      drills.split(`alerts.until('${alert}', true`).at(-1) ?? '',
      RegExp(`until\\('${alert}', false\\)`),
      alert,
    )
  }
})

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly { readonly expr: string }[]
}

test('the board is one that Grafana reads, and Prometheus each of its queries', {
  skip: skipWithoutPrometheus(),
}, (t) => {
  const { panels } = JSON.parse(read(BOARD)) as { readonly panels: readonly Panel[] }
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  assert.ok(panels.filter(({ type }) => type !== 'row').every(({ targets = [] }) => targets.length > 0))
  assert.ok(queries.length > 30)
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-board-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const records = queries.map((expr, n) => ({
    record: `q${n}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(outbox|backend|consumer)/g, '.*'),
  }))
  // JSON is YAML.
  writeFileSync(join(folder, 'q.yaml'), JSON.stringify({ groups: [{ name: 'board', rules: records }] }))
  const { ok, said } = promtool(['check', 'rules', join(folder, 'q.yaml')])
  assert.ok(ok, said)
})
