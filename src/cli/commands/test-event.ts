import { setTimeout as delay } from 'node:timers/promises'
import { BroadcasterError } from '../../errors.ts'
import { stringifyJson } from '../../event/json.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { defineCommand } from '../command.ts'
import type { Configured } from '../config-file.ts'
import { parse, readText } from '../event-text.ts'
import { EXIT, interruptedCode, UsageError } from '../exit-codes.ts'
import { onOneLine } from '../format.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'

/** Between two looks at the event, in milliseconds. */
const LOOK = 100
/** In milliseconds. */
const TIMEOUT = 30_000

/** What became of a test event. `waiting`: not known in time. */
interface Outcome {
  readonly outcome: 'published' | 'failed' | 'cancelled' | 'waiting'
  readonly error: string
}

/** `broadcaster test-event`. */
export const testEvent = defineCommand({
  name: 'test-event',
  summary: 'Publishes a test event to a backend, and with --wait tells what became of it.',
  description:
    'Its type is ts-broadcaster.test. It goes the way every event goes, so a worker must be running; it has no key and one attempt.',
  positionals: '<backend>',
  options: {
    wait: { kind: 'flag', help: 'Waits until it is delivered, or has failed; ends with 6 unless it is delivered.' },
    timeout: { kind: 'duration', help: 'With --wait: at most so long. Default: 30s.' },
    data: {
      kind: 'text',
      value: 'json',
      help: 'Its data; @path reads a file, - standard input. Default: {"test":true}.',
    },
    ...OPERATOR_OPTIONS,
  },
  examples: ['broadcaster test-event partners --wait'],
  async run({ options, positionals }, { terminal, ready }) {
    const [backend, ...more] = positionals
    if (backend === undefined || more.length > 0) {
      throw new UsageError('test-event takes the name of a backend; see broadcaster test-event --help')
    }
    const text = options.data === undefined ? undefined : await readText(options.data, terminal)
    const { broadcaster } = await ready()
    const data = text === undefined ? undefined : parse(text, '--data')
    const id = await broadcaster.admin.testEvent(backend, { data, ...operator(options) })
    if (!options.wait) {
      if (options.json) terminal.verbatim(stringifyJson({ id, backend }))
      else terminal.out(id)
      return EXIT.ok
    }
    const began = performance.now()
    const signal = terminal.stopSignal()
    const { outcome, error } = await outcomeOf(broadcaster, id, options.timeout ?? TIMEOUT, signal)
    const took = Math.round(performance.now() - began)
    if (options.json)
      terminal.verbatim(stringifyJson({ id, backend, outcome, took, error: error === '' ? null : error }))
    else if (outcome === 'published') terminal.out(`${id}  was delivered to ${backend} within ${took} ms`)
    else if (outcome === 'waiting') {
      terminal.out(`${id}  waits since ${took} ms: broadcaster show ${id} tells for what`)
    } else terminal.out(`${id}  is ${outcome}${error === '' ? '' : `: ${onOneLine(error)}`}`)
    if (signal.aborted) return interruptedCode(signal)
    return outcome === 'published' ? EXIT.ok : EXIT.unhealthy
  },
})

async function outcomeOf(
  { admin }: Configured['broadcaster'],
  id: string,
  timeout: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const end = performance.now() + timeout
  for (;;) {
    let event: OutboxEvent
    try {
      event = await admin.get(id)
    } catch (error) {
      // Where no history is kept, what was delivered is gone.
      if (error instanceof BroadcasterError && error.code === 'DOES_NOT_EXIST')
        return { outcome: 'published', error: '' }
      throw error
    }
    const { status, lastError: error } = event
    if (status === 'published' || status === 'failed' || status === 'cancelled') return { outcome: status, error }
    if (performance.now() >= end || signal.aborted) return { outcome: 'waiting', error }
    await delay(LOOK, undefined, { signal }).catch(() => undefined)
  }
}
