import assert from 'node:assert/strict'
import { test } from 'node:test'
import { METRICS, type MetricSpec } from '../../src/metrics/metric-table.ts'
import { Samples } from '../../src/metrics/samples.ts'
import { exposition } from '../../src/prometheus/exposition.ts'
import { promtool, skipWithoutPrometheus } from '../support/promtool.ts'

const COUNTER: MetricSpec = { kind: 'counter', labels: ['outbox', 'backend'], help: 'Counts.\nA back\\slash.' }
const HISTOGRAM: MetricSpec = { kind: 'histogram', labels: ['consumer'], help: 'Takes.', buckets: [0.5, 1, 5] }

test('a counter has its HELP, TYPE and labels, escaped', () => {
  const samples = new Samples(COUNTER)
  samples.add(['a "quoted" \\ name\nof two lines', 'main'], 2)
  samples.add(['b\ud800', 'main'])
  assert.equal(
    exposition([['x_total', samples]]),
    [
      '# HELP x_total Counts.\\nA back\\\\slash.',
      '# TYPE x_total counter',
      'x_total{outbox="a \\"quoted\\" \\\\ name\\nof two lines",backend="main"} 2',
      'x_total{outbox="b\ufffd",backend="main"} 1',
      '',
    ].join('\n'),
  )
})

test('a histogram counts what is at most a bound in its bucket, and in all above', () => {
  const samples = new Samples(HISTOGRAM)
  samples.observe(['c'], [0.5, 0.6, 1, 4, 100])
  const lines = exposition([['x_seconds', samples]])
    .split('\n')
    .slice(2, -1)
  assert.deepEqual(lines, [
    'x_seconds_bucket{consumer="c",le="0.5"} 1',
    'x_seconds_bucket{consumer="c",le="1"} 3',
    'x_seconds_bucket{consumer="c",le="5"} 4',
    'x_seconds_bucket{consumer="c",le="+Inf"} 5',
    'x_seconds_sum{consumer="c"} 106.1',
    'x_seconds_count{consumer="c"} 5',
  ])
})

test('a metric without a series is left out', () => {
  assert.equal(exposition([['x_total', new Samples(COUNTER)]]), '')
})

test('the series of a metric are bounded', () => {
  const samples = new Samples(COUNTER)
  for (let n = 0; n < 2_000; n++) samples.add(['outbox', `backend ${n}`])
  assert.equal(samples.series.length, 1_001)
  assert.equal(samples.series.find(({ labels }) => labels[0] === 'other')?.value, 1_000)
})

test('promtool is content with every metric', { skip: skipWithoutPrometheus() }, () => {
  const all = Object.entries(METRICS).map(([name, spec]) => {
    const samples = new Samples(spec)
    const labels = spec.labels.map((label) => `a "${label}"\\\n`)
    if (spec.kind === 'histogram') samples.observe(labels, [0.0001, 7, 1e9])
    else samples.add(labels, 1.5e-7)
    return [name, samples] as const
  })
  const { ok, said } = promtool(['check', 'metrics'], exposition(all))
  assert.equal(said, '')
  assert.ok(ok)
  assert.ok(!promtool(['check', 'metrics'], 'x{a="} 1\n').ok, 'the control: it sees what is wrong')
})
