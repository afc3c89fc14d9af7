/**
 * Loaded before each test file by `scripts/test.ts`: a file whose tests are over but which does not end has leaked a
 * worker, a connection or a timer, and fails. The runner alone would wait for it for ever.
 */
import { after } from 'node:test'

/** Longer than any clean-up of a test file takes. */
const GRACE = 10_000

// Programs that a test starts inherit the option that loads this file; they are none of our business.
if (process.argv[1]?.endsWith('.test.ts') === true) {
  after(() => {
    const timer = setTimeout(() => {
      const held = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap')
      console.error(`Leaked: the tests are over, but this file does not end. Still open: ${held.join(', ')}.`)
      process.exit(1)
    }, GRACE)
    timer.unref()
  })
}
