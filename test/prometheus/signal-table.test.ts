import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { METRICS } from '../../src/metrics/metric-table.ts'
import { ProcessMetrics } from '../../src/metrics/process-metrics.ts'
import type { OtelMeter } from '../../src/opentelemetry/api.ts'
import { INSTRUMENTS, type InstrumentSpec } from '../../src/opentelemetry/instruments.ts'
import { MESSAGING_METRICS, recordMessaging } from '../../src/opentelemetry/messaging-metrics.ts'
import { SIGNAL_NAMES, type SignalName, SignalSource } from '../../src/telemetry/signals.ts'
import { root, sourceFiles } from '../project/source-files.ts'
import { backend, consumer, SAMPLES, worker } from '../telemetry/signal-samples.ts'

const PAGE = 'docs/metrics.md'
/** The span that tells of the same moment, and which of its attributes say it. */
const SPANS: { readonly [Name in SignalName]?: readonly [span: string, ...attributes: readonly string[]] } = {
  'event.created': ['create'],
  'event.published': ['send'],
  'event.retried': ['send', 'broadcaster.attempt', 'error.type'],
  'event.failed': ['send', 'broadcaster.attempt', 'error.type'],
  'batch.sent': ['send', 'broadcaster.backend', 'messaging.batch.message_count', 'broadcaster.failed_count'],
  'delivery.handled': ['process', 'messaging.consumer.group.name', 'broadcaster.deliveries'],
  'delivery.retried': ['process', 'broadcaster.attempt', 'error.type'],
  'delivery.failed': ['process', 'broadcaster.attempt', 'error.type'],
}

/** The metrics whose values stand differently after a signal: what begins at 0 has not moved. */
function movedBy<Name extends SignalName>(name: Name): readonly string[] {
  const counted = new ProcessMetrics(['shop'], () => 0)
  const source = new SignalSource('shop')
  const values = (): ReadonlyMap<string, string> =>
    new Map(Array.from(counted.samples, ([metric, { series }]) => [metric, JSON.stringify(series)]))
  try {
    // Lanes can only be lost where they were gained.
    if (name === 'lane.lost') source.emit('lane.gained', { backend, worker, lanes: [1, 2] })
    counted.begin('backend', ['shop', backend])
    counted.begin('consumer', [consumer])
    counted.begin('outbox', ['shop'])
    const before = values()
    source.emit(name, SAMPLES[name])
    return [...values()].filter(([metric, value]) => before.get(metric) !== value).map(([metric]) => metric)
  } finally {
    counted.close()
  }
}

/** Records the names of the instruments that get values. */
class NameMeter implements OtelMeter {
  readonly moved = new Set<string>()
  createCounter = (name: string) => ({ add: () => void this.moved.add(name) })
  createHistogram = (name: string) => ({ record: () => void this.moved.add(name) })
  createObservableCounter = () => ({})
  createObservableUpDownCounter = () => ({})
  createObservableGauge = () => ({})
  addBatchObservableCallback = () => undefined
  removeBatchObservableCallback = () => undefined
}

/** Those of the messaging conventions that a signal adds to; ours are those of Prometheus, by `INSTRUMENTS`. */
function conventionsMovedBy<Name extends SignalName>(name: Name): readonly string[] {
  const meter = new NameMeter()
  const stop = recordMessaging(meter, ['shop'])
  new SignalSource('shop').emit(name, SAMPLES[name])
  stop()
  return [...meter.moved]
}

/** The level of the line in the log. */
function logLevelOf<Name extends SignalName>(name: Name): string {
  const levels: string[] = []
  new SignalSource('shop', { warn: () => levels.push('warn'), error: () => levels.push('error') }).emit(
    name,
    SAMPLES[name],
  )
  return levels.join()
}

/** The rows of a page's tables whose first cell is code, without backticks. */
function rowsOf(page: string): readonly (readonly string[])[] {
  return readFileSync(join(root, page), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll('`', '')))
}

const rows = rowsOf(PAGE)

test(`${PAGE} lists every metric as it is`, () => {
  const documented = rows.filter(([name = '']) => name.startsWith('broadcaster_'))
  const instruments: Readonly<Record<string, InstrumentSpec>> = INSTRUMENTS
  const real = Object.entries(METRICS).map(([name, { kind, labels, help }]) => [
    name,
    kind,
    labels.join(', '),
    instruments[name]?.name,
    instruments[name]?.unit,
    help,
  ])
  assert.deepEqual(documented, real)
})

test(`${PAGE} says of each signal which metrics it moves, which span tells it and which line it writes`, () => {
  const documented = rows.filter(([name = '']) => !name.startsWith('broadcaster_'))
  const real = SIGNAL_NAMES.map((name) => [
    name,
    movedBy(name).join(', '),
    conventionsMovedBy(name).join(', '),
    (SPANS[name] ?? []).join(', '),
    logLevelOf(name),
  ])
  assert.deepEqual(documented, real)
})

test('the spans and attributes of the table are those that are told', () => {
  const told = rowsOf('docs/opentelemetry.md')
  const sources = sourceFiles().filter(({ path }) => path.startsWith('src/opentelemetry/'))
  for (const [span, ...attributes] of Object.values(SPANS)) {
    assert.ok(
      told.some(([name = '']) => name.startsWith(`${span} <`)),
      `docs/opentelemetry.md has the span ${span}`,
    )
    for (const attribute of attributes) {
      const [, on = ''] = told.find(([names = '']) => names.split(', ').includes(attribute)) ?? []
      assert.ok(on === 'all' || on.includes(span), `docs/opentelemetry.md has ${attribute} on ${span}`)
      assert.ok(
        sources.some(({ text }) => text.includes(`'${attribute}'`)),
        `src/opentelemetry sets ${attribute}`,
      )
    }
  }
})

test('every metric of the conventions is moved by a signal, and has its row', () => {
  const moved = new Set(SIGNAL_NAMES.flatMap((name) => conventionsMovedBy(name)))
  assert.deepEqual([...moved].toSorted(), Object.keys(MESSAGING_METRICS).toSorted())
  const documented = rowsOf('docs/opentelemetry.md').filter(([name = '']) => Object.hasOwn(MESSAGING_METRICS, name))
  assert.deepEqual(
    documented.map(([name, kind, unit]) => [name, kind, unit]),
    Object.entries(MESSAGING_METRICS).map(([name, { kind, unit }]) => [name, kind, unit]),
  )
})

test('no two metrics have the same instrument', () => {
  const names = Object.values(INSTRUMENTS).map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

test('every metric of the process is moved by a signal', () => {
  const moved = new Set(SIGNAL_NAMES.flatMap((name) => movedBy(name)))
  const counted = new ProcessMetrics([], () => 0)
  counted.close()
  assert.deepEqual(
    [...counted.samples.keys()].filter((name) => !moved.has(name)),
    [],
  )
})

test('signals of other outboxes are not counted', () => {
  const counted = new ProcessMetrics(['shop'], () => 0)
  new SignalSource('other').emit('batch.sent', SAMPLES['batch.sent'])
  const sent = (): number | undefined => counted.samples.get('broadcaster_events_sent_total')?.series[0]?.value
  assert.equal(sent(), undefined)
  new SignalSource('shop').emit('batch.sent', SAMPLES['batch.sent'])
  counted.close()
  new SignalSource('shop').emit('batch.sent', SAMPLES['batch.sent'])
  assert.equal(sent(), 3, 'once: not after close')
})
