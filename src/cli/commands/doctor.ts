import type { Finding } from '../../admin/finding.ts'
import type { Broadcaster } from '../../broadcaster.ts'
import { defineCommand } from '../command.ts'
import { eachOutbox } from '../each-outbox.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'

const COLOURS = { wrong: 'red', advice: 'yellow', fine: 'green' } as const

/** `broadcaster doctor`. */
export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Looks for what keeps events waiting or makes them expensive, and says what to do.',
  description:
    'Changes nothing without --fix. Ends with 6 when something is wrong; advice alone is 0. --fix does what is safe: it runs `migrate` where that repairs what was found, and leaves the rest to you.',
  options: {
    'max-lag': { kind: 'duration', help: 'How long a due event may have waited. Default: 5m.' },
    'max-transaction': { kind: 'duration', help: 'How long any transaction may be open. Default: 5m.' },
    fix: { kind: 'flag', help: 'Repairs what is safe to repair, after asking.' },
    yes: { kind: 'flag', help: 'With --fix: does not ask.' },
  },
  examples: ['broadcaster doctor', 'broadcaster doctor --fix --yes'],
  async run({ options }, { terminal, outboxes }) {
    const { json, fix, yes } = options
    const look = async (broadcaster: Broadcaster): Promise<readonly Finding[]> => {
      const { 'max-lag': maxLag, 'max-transaction': maxTransaction } = options
      return (await broadcaster.status({ askBackends: true, thorough: true, maxLag, maxTransaction })).findings
    }
    return eachOutbox(await outboxes(), { terminal, json }, async ({ broadcaster }) => {
      let findings = await look(broadcaster)
      const fixed = fix ? findings.filter((finding) => finding.fix === 'migrate') : []
      if (fixed.length > 0 && (yes || (await mayMend(terminal, fixed)))) {
        await broadcaster.store.schema.migrate({ onProgress: (message) => terminal.progress(message) })
        findings = await look(broadcaster)
      } else fixed.length = 0
      return {
        json: { findings, ...(fix && { fixed }) },
        lines: [
          ...fixed.map(({ message }) => ({ text: `fixed   ${message}`, colour: 'green' as const })),
          ...findings.flatMap(({ level, message, cure }) => [
            { text: `${level.padEnd(6)}  ${message}`, colour: COLOURS[level] },
            ...(cure === undefined ? [] : [`        -> ${cure}`]),
          ]),
        ],
        code: findings.some(({ level }) => level === 'wrong') ? EXIT.unhealthy : EXIT.ok,
      }
    })
  },
})

async function mayMend(terminal: Terminal, findings: readonly Finding[]): Promise<boolean> {
  for (const { message } of findings) terminal.note(message)
  const answer = await terminal.ask('Run `broadcaster migrate`, which repairs this?')
  if (answer === undefined) throw new UsageError('--fix asks first, and there is no terminal to answer: add --yes')
  return answer
}
