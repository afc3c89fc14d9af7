/** Runs a benchmark: `npm run bench -- <name>`, with its own flags after it; README.md in this folder says which there are. */
const BENCHMARKS = {
  throughput: () => import('./throughput/throughput.ts'),
  peers: () => import('./peers/peers.ts'),
  options: () => import('./options.ts'),
  'option-latency': () => import('./option-latency.ts'),
  soak: () => import('./soak/soak.ts'),
  day: () => import('./day.ts'),
  retention: () => import('./retention.ts'),
  memory: () => import('./memory.ts'),
  'large-events': () => import('./large-events.ts'),
  'fetch-cost': () => import('./fetch-cost.ts'),
  'commit-cost': () => import('./commit-cost.ts'),
  publish: () => import('./publish/publish.ts'),
  latency: () => import('./latency.ts'),
  against: () => import('./against.ts'),
  history: () => import('./history.ts'),
  tenants: () => import('./tenants.ts'),
  looks: () => import('./looks.ts'),
  screens: () => import('./screens.ts'),
  tracing: () => import('./tracing.ts'),
  backends: () => import('./backends/backends.ts'),
} as const

const [first] = process.argv.slice(2)
const named = first !== undefined && !first.startsWith('-')
if (named) process.argv.splice(2, 1)
const usual = first?.startsWith('--backend') ? 'backends' : 'throughput'
const run = Object.entries(BENCHMARKS).find(([name]) => name === (named ? first : usual))?.[1]
if (run === undefined) {
  console.error(`there is no benchmark '${first}'; known are ${Object.keys(BENCHMARKS).join(', ')}`)
  process.exitCode = 2
} else {
  await run()
}
