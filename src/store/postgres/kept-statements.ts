import { literal, type SqlValue } from './client.ts'
import { KeptPlans, SESSION } from './kept-plans.ts'

/**
 * What a kept plan is made under, for this statement alone. One plan for all values, or the server goes on planning for them each
 * time. And it stays while the table grows from nothing to millions of rows, so that it must not be one for a small table.
 */
const PLAN_SETTINGS = 'SET LOCAL plan_cache_mode=force_generic_plan;SET LOCAL enable_seqscan=off;'

/** The text that runs what was prepared under this name. */
export function execution(name: string, values: readonly SqlValue[]): string {
  return `${PLAN_SETTINGS}EXECUTE ${name}${values.length === 0 ? '' : `(${values.map(literal).join(',')})`}`
}

/** Names of what the server has prepared for a client: also by another store on the same pool. */
const prepared = new WeakMap<object, Set<string>>()

/** SQLSTATE of what says that a prepared statement is of no use: it is not there, is there already, or its columns changed. */
const UNUSABLE = new Set(['26000', '42P05', '0A000'])

/** Runs a text without parameters on the client, and returns the rows of its last statement. */
type Ask = (text: string) => Promise<readonly Record<string, string | null>[]>

/**
 * Statements of our own whose plan the server keeps for each connection, by the commands PREPARE and EXECUTE: other than what a
 * client library prepares they fit into a batch, behind the limits of the statement.
 */
export class KeptStatements {
  readonly #plans = new KeptPlans()

  /** The name of this text on this client, prepared if it was not; undefined = it is to be planned each time. */
  async prepare(client: object, text: string, ask: Ask): Promise<string | undefined> {
    if (!this.#plans.knows(client)) this.#plans.learn(client, await ask(`SELECT ${SESSION} AS session`))
    const name = this.#plans.nameFor(client, text)
    if (name === undefined) return undefined
    const names = prepared.get(client) ?? new Set()
    if (names.has(name)) return name
    await ask(`PREPARE ${name} AS ${text}`)
    prepared.set(client, names.add(name))
    return name
  }

  /** Whether an error with this SQLSTATE means that nothing was run. Then nothing is kept from now on. */
  refuses(client: object, code: string | undefined): boolean {
    if (code === undefined || !UNUSABLE.has(code)) return false
    prepared.delete(client)
    this.#plans.forget()
    return true
  }
}
