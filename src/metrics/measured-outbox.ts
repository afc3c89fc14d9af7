import { BroadcasterError } from '../errors.ts'
import { describeKind } from '../foundation/describe-kind.ts'
import type { Store } from '../store/store.ts'

/** What is needed of a Broadcaster to measure it: its name and its store. */
export interface MeasuredOutbox {
  /** The value of the label `outbox`. */
  readonly name: string
  /** What is read. */
  readonly store: { readonly admin: Pick<Store['admin'], 'look'> }
}

/** One outbox or a list of them, each with a name of its own. `owner` names the call in messages. Throws `INVALID_OPTION`. */
export function measuredOutboxes(owner: string, given: unknown): readonly MeasuredOutbox[] {
  const all: readonly unknown[] = Array.isArray(given) ? given : [given]
  const names = new Map<string, unknown>()
  const refused = (field: string, message: string, value?: unknown): BroadcasterError =>
    new BroadcasterError('INVALID_OPTION', `${owner}: ${field} ${message}`, { field, value })
  for (const [at, one] of all.entries()) {
    const field = Array.isArray(given) ? `outboxes[${at}]` : 'outboxes'
    if (!isOutbox(one)) {
      throw refused(field, `is ${describeKind(one)}; give a Broadcaster or a list of them`)
    }
    const { name } = one
    if (names.get(name) === one)
      throw refused(field, `is a Broadcaster that was given before, '${name}'; give each once`, name)
    if (names.has(name)) {
      throw refused(
        field,
        `is another Broadcaster named '${name}'; give each a name of its own by its option name`,
        name,
      )
    }
    names.set(name, one)
  }
  return all as readonly MeasuredOutbox[]
}

function isOutbox(given: unknown): given is MeasuredOutbox {
  if (typeof given !== 'object' || given === null) return false
  const { name, store } = given as Partial<MeasuredOutbox>
  return typeof name === 'string' && typeof store?.admin?.look === 'function'
}
