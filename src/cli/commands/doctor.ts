import { defineCommand } from '../command.ts'
import { eachOutbox } from '../each-outbox.ts'
import { EXIT } from '../exit-codes.ts'

const COLOURS = { wrong: 'red', advice: 'yellow', fine: 'green' } as const

/** `broadcaster doctor`. */
export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Looks for what keeps events waiting or makes them expensive, and says what to do.',
  description: 'Changes nothing. Ends with 6 when something is wrong; advice alone is 0.',
  options: {
    'max-lag': { kind: 'duration', help: 'How long a due event may have waited. Default: 5m.' },
  },
  async run({ options }, { terminal, outboxes }) {
    const { json, 'max-lag': maxLag } = options
    return eachOutbox(await outboxes(), { terminal, json }, async ({ broadcaster }) => {
      const { findings } = await broadcaster.status({ askBackends: true, maxLag })
      return {
        json: { findings },
        lines: findings.flatMap(({ level, message, cure }) => [
          { text: `${level.padEnd(6)}  ${message}`, colour: COLOURS[level] },
          ...(cure === undefined ? [] : [`        -> ${cure}`]),
        ]),
        code: findings.some(({ level }) => level === 'wrong') ? EXIT.unhealthy : EXIT.ok,
      }
    })
  },
})
