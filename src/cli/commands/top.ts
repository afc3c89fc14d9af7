import { setTimeout as sleep } from 'node:timers/promises'
import type { Flow } from '../../admin/flow.ts'
import { stringifyJson } from '../../event/json.ts'
import { settles } from '../../foundation/waiting.ts'
import { defineCommand } from '../command.ts'
import { PACE } from '../command-options.ts'
import { errorFields } from '../error-fields.ts'
import { EXIT } from '../exit-codes.ts'
import { latelyOf } from '../times.ts'
import { frameOf, type Watched } from '../top/frame.ts'
import { Rates } from '../top/rates.ts'

/** How often it looks, in milliseconds. */
const INTERVAL = 2_000
/** Between the two looks that rates need where nothing is shown again. */
const ONCE = 1_000
/** After so long it is told that a look takes long, in milliseconds. */
const LATE = 2_000
/** The columns of what goes into a pipe or a file. */
const WIDTH = 120

/** `broadcaster top`. */
export const top = defineCommand({
  name: 'top',
  summary:
    'Shows backends, rates, lag, workers, breakers and blocked keys in the whole window, again and again; q ends it.',
  description:
    'Where there is no terminal it prints once. IN/S and OUT/S come from what differs between two looks: OUT/S also counts what was\n' +
    'cancelled or deleted, and stays empty where more waits than is counted. P50, P95 and P99 are how long deliveries of the last\n' +
    'five minutes took, as workers wrote it down.',
  options: { interval: { kind: 'duration', ...PACE, help: 'Looks so often. Default: 2s.' } },
  examples: ['broadcaster top', 'broadcaster top --interval 500ms'],
  async run({ options }, { terminal, ready }) {
    const { interval = INTERVAL, json } = options
    const { broadcaster } = await ready()
    const rates = new Rates(broadcaster.admin.filter())
    const look = async (): Promise<Watched & { readonly flow: Flow | undefined }> => {
      const status = await broadcaster.status()
      const flow = status.at === null ? undefined : await broadcaster.admin.flow()
      return { status, rates: await rates.after(status), flow, lately: flow && latelyOf(flow) }
    }
    let shown = await look()
    const window = json ? undefined : terminal.fullScreen()
    if (window === undefined) {
      await sleep(ONCE)
      shown = await look()
      const perBackend = Object.fromEntries(shown.rates)
      if (json)
        terminal.verbatim(stringifyJson({ ...shown.status, rates: perBackend, lately: shown.flow?.lately ?? null }))
      else for (const { text, colour } of frameOf(shown, terminal.width ?? WIDTH)) terminal.out(text, colour)
      return EXIT.ok
    }
    const ended = AbortSignal.any([window.closed, terminal.stopSignal()])
    let freshAt = performance.now()
    const draw = (): void => window.draw(frameOf(shown, window.columns, window.rows))
    const tell = (message: string): void => {
      shown = { ...shown, trouble: { message, since: performance.now() - freshAt } }
    }
    window.onResize(draw)
    try {
      draw()
      while (!ended.aborted) {
        await sleep(interval, undefined, { signal: ended }).catch(() => undefined)
        if (ended.aborted) break
        const looking = look()
        const late = setInterval(() => {
          tell('the database has not answered yet')
          draw()
        }, LATE)
        // A key ends it also while the database hangs.
        await settles(looking, { signal: ended })
        clearInterval(late)
        if (ended.aborted) break
        try {
          shown = await looking
          freshAt = performance.now()
        } catch (error) {
          tell(errorFields(error).message)
        }
        draw()
      }
    } finally {
      window.close()
    }
    return EXIT.ok
  },
})
