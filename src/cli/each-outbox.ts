import { stringifyJson } from '../event/json.ts'
import type { Configured } from './config-file.ts'
import { errorFields } from './error-fields.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { Screen } from './screen.ts'
import type { Colour } from './terminal.ts'

/** What a command has to say of one outbox. */
export interface OutboxReport {
  readonly json: Readonly<Record<string, unknown>>
  readonly lines: readonly (string | { readonly text: string; readonly colour: Colour })[]
  readonly code: number
}

/**
 * Does the same for each outbox, one after the other, and prints what came of it. With one it is printed as it is; with
 * several each is named, and one that fails keeps nobody else waiting: its error is printed in its place. Resolves with
 * the first exit code that is not 0.
 */
export async function eachOutbox(
  outboxes: readonly Configured[],
  { terminal, json }: { readonly terminal: Screen; readonly json: boolean },
  work: (one: Configured) => Promise<OutboxReport>,
): Promise<number> {
  const [only, ...more] = outboxes
  if (only !== undefined && more.length === 0) {
    const report = await work(only)
    if (json) terminal.verbatim(stringifyJson(report.json))
    else for (const line of report.lines) print(line, terminal)
    return report.code
  }
  const documents: unknown[] = []
  let code: number = EXIT.ok
  for (const one of outboxes) {
    const { report, error } = await work(one).then(
      (done) => ({ report: done, error: undefined }),
      (thrown: unknown) => ({ report: undefined, error: thrown }),
    )
    documents.push({ outbox: one.name, ...(report ? report.json : { error: errorFields(error) }) })
    code ||= report ? report.code : exitCodeOf(error)
    if (json) continue
    if (documents.length > 1) terminal.out('')
    terminal.out(`${one.name}:`)
    const failed = { text: `FAILED: ${errorFields(error).message}`, colour: 'red' } as const
    for (const line of report?.lines ?? [failed]) print(line, terminal)
  }
  if (json) terminal.verbatim(stringifyJson({ outboxes: documents }))
  return code
}

function print(line: OutboxReport['lines'][number], terminal: Screen): void {
  if (typeof line === 'string') terminal.out(line)
  else terminal.out(line.text, line.colour)
}
