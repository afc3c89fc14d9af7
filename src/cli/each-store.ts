import { stringifyJson } from '../event/json.ts'
import type { Configured } from './config-file.ts'
import { errorFields } from './error-fields.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** What a command has to say of one outbox. */
export interface StoreReport {
  readonly json: Readonly<Record<string, unknown>>
  readonly lines: readonly string[]
  readonly code: number
}

/**
 * Does the same for each outbox, one after the other, and prints what came of it. With one it is printed as it is; with
 * several each is named, and one that fails keeps nobody else waiting: its error is printed in its place. Resolves with
 * the first exit code that is not 0.
 */
export async function eachStore(
  stores: readonly Configured[],
  { terminal, json }: { readonly terminal: Terminal; readonly json: boolean },
  work: (one: Configured) => Promise<StoreReport>,
): Promise<number> {
  const [only, ...more] = stores
  if (only !== undefined && more.length === 0) {
    const report = await work(only)
    for (const line of json ? [stringifyJson(report.json)] : report.lines) terminal.out(line)
    return report.code
  }
  const documents: unknown[] = []
  let code: number = EXIT.ok
  for (const one of stores) {
    const { report, error } = await work(one).then(
      (done) => ({ report: done, error: undefined }),
      (thrown: unknown) => ({ report: undefined, error: thrown }),
    )
    documents.push({ store: one.name, ...(report ? report.json : { error: errorFields(error) }) })
    code ||= report ? report.code : exitCodeOf(error)
    if (json) continue
    if (documents.length > 1) terminal.out('')
    terminal.out(`${one.name}:`)
    for (const line of report?.lines ?? [`FAILED: ${errorFields(error).message}`]) terminal.out(line)
  }
  if (json) terminal.out(stringifyJson({ stores: documents }))
  return code
}
