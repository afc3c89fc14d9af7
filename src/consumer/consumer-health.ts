import { describeError } from '../foundation/describe-error.ts'
import { formatDuration } from '../foundation/for-people.ts'
import { readOptions } from '../foundation/option-table.ts'
import { HEALTH, type Health, type HealthCheck, type HealthOptions, type Liveness } from '../health/health.ts'
import { answerOf, Probe } from '../health/probe.ts'
import type { Inbox } from '../inbox/inbox.ts'
import type { Reception } from './reception.ts'

/** The health of a consumer: its loop, its broker as the last receive found it, and its database. */
export class ConsumerHealth {
  readonly #consumer: string
  readonly #reception: Pick<Reception, 'state' | 'pulse' | 'error'>
  readonly #database: Probe | undefined
  readonly #place: string

  /** `inbox` undefined: the consumer has no inbox, and so no database. */
  constructor(
    consumer: string,
    reception: Pick<Reception, 'state' | 'pulse' | 'error'>,
    inbox: (Pick<Inbox, 'check'> & Partial<Pick<Inbox, 'description'>>) | undefined,
  ) {
    this.#consumer = consumer
    this.#reception = reception
    // An inbox of the user's own may have no description.
    this.#place = `inbox of ${consumer}${inbox?.description === undefined ? '' : ` in ${inbox.description}`}`
    if (inbox !== undefined) this.#database = new Probe(() => answerOf(() => inbox.check()))
  }

  liveness(): Liveness {
    const check = this.#loop()
    return { live: check.live, checks: [check] }
  }

  async health(options: HealthOptions = {}): Promise<Health> {
    const asked = readOptions('health()', HEALTH, options)
    const answer = await this.#database?.look(asked)
    const loop = this.#loop()
    const checks = [...(answer ? [{ kind: 'database', name: this.#place, live: true, ...answer } as const] : []), loop]
    return { live: loop.live, ready: checks.every(({ ready }) => ready), checks }
  }

  #loop(): HealthCheck {
    const { state, pulse, error } = this.#reception
    const hangs = state === 'receiving' && pulse.overdue > 0
    let detail: string | null = null
    if (hangs) detail = `hangs: the subscription does not answer (overdue by ${formatDuration(pulse.overdue)})`
    else if (state !== 'receiving') detail = `is ${state}`
    else if (error !== undefined) detail = `cannot receive: ${describeError(error)}`
    return { kind: 'consumer', name: this.#consumer, live: !hangs, ready: detail === null, detail }
  }
}
