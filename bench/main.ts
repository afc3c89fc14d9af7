/**
 * Runs a benchmark: `npm run bench` (throughput; `-- --store mariadb`), `npm run bench -- large-events` (memory and duplicates with events of 100 KB and 1 MB), `npm run bench -- fetch-cost`, `npm run bench -- commit-cost`,
 * `npm run bench -- publish` (what a publish costs beside a bare INSERT), `npm run bench -- latency` (from the start of a transaction to the broker's reader), `npm run bench -- against <commit>` (this checkout and that commit in turn), `npm run bench -- history` (what it saves to keep no history), `npm run bench -- tenants`, `npm run bench -- --backend kafka` (or several, or `backends` for all), each with its own flags after it.
 */
const BENCHMARKS = {
  throughput: () => import('./throughput/throughput.ts'),
  'large-events': () => import('./large-events.ts'),
  'fetch-cost': () => import('./fetch-cost.ts'),
  'commit-cost': () => import('./commit-cost.ts'),
  publish: () => import('./publish/publish.ts'),
  latency: () => import('./latency.ts'),
  against: () => import('./against.ts'),
  history: () => import('./history.ts'),
  tenants: () => import('./tenants.ts'),
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
