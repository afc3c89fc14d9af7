import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'

/** `broadcaster demo`. */
export const demo = defineCommand({
  name: 'demo',
  summary: 'Shows what the outbox does: a small shop, on a SQLite file, without any server.',
  options: {},
  without: ['config', 'outbox', 'env-file'],
  async run({ options }, { terminal }) {
    // Loaded only now: it brings its own store and backends.
    const { runDemo } = await import('../demo/demo.ts')
    const report = await runDemo(options.json ? terminal.note : terminal.out)
    if (options.json) terminal.verbatim(stringifyJson(report))
    return report.ok ? EXIT.ok : EXIT.failure
  },
})
