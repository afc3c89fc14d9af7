import { createHash } from 'node:crypto'
import type { Row } from '../statement.ts'

/** The process of the server that runs a statement; the column `session` of what may be kept. */
export const SESSION = 'CAST(pg_backend_pid() AS text)'

/**
 * Statements kept for one client, those of all outboxes together. Each takes some 0.2 MB of the server for as long as the connection
 * is open: of 500 outboxes on a pool of ten that would be more than 3 GB.
 */
const MOST = 100
/** The names given for each client: also by another store on the same pool. */
const given = new WeakMap<object, Set<string>>()

/**
 * Which clients of `pg` talk to one session of the server, so that a statement prepared there is there the next time. A pooler in
 * between, which may lend each transaction another session, tells every client a process of its own making: that is how it is
 * known. A client is asked by its first statement, which goes without a name.
 */
export class KeptPlans {
  readonly #own = new WeakMap<object, boolean>()
  readonly #names = new Map<string, string>()
  #isForgotten = false

  /** The name under which the server keeps this text for this client; undefined = it is to be planned each time. */
  nameFor(client: object, text: string): string | undefined {
    if (this.#isForgotten || this.#own.get(client) !== true) return undefined
    const name = this.#nameOf(text)
    const names = given.get(client) ?? new Set()
    if (!names.has(name) && names.size >= MOST) return undefined
    given.set(client, names.add(name))
    return name
  }

  #nameOf(text: string): string {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    const name = `ts_broadcaster_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
    this.#names.set(text, name)
    return name
  }

  /** Whether it is known of this client. */
  knows(client: object): boolean {
    return this.#isForgotten || this.#own.has(client)
  }

  /** Somebody has the server forget what was prepared (`DISCARD ALL`): nothing is kept from now on. */
  forget(): void {
    this.#isForgotten = true
  }

  /** Rows of a statement that says `session`. */
  learn(client: object, rows: readonly Row[]): void {
    const session = rows[0]?.['session']
    if (this.#own.has(client) || session === undefined) return
    // The process of which the server told when it connected.
    const told: unknown = 'processID' in client ? client.processID : undefined
    this.#own.set(client, Number(session) === told)
  }
}
