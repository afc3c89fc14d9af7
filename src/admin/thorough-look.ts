import { describeError } from '../foundation/describe-error.ts'
import type { ResolvedRetention } from '../retention/retention-options.ts'
import { leastAges, type Rules, ruleFor, rulesOf } from '../retention/rules.ts'
import type { SettledStatus } from '../store/retention-store.ts'
import type { Store } from '../store/store.ts'
import type { TableSize } from '../store/table-sizes.ts'

/** A settled event that retention should have deleted. */
export interface Overdue {
  readonly status: SettledStatus
  /** Milliseconds since it was settled. */
  readonly age: number
  /** Milliseconds for which the options keep it. */
  readonly kept: number
}

/** What takes longer to see than a status may. A missing member: all is well, or the store cannot tell. */
export interface ThoroughLook {
  /** Why workers would not learn of commits. */
  readonly notToldOfCommits?: string
  /** What was dropped or changed of the schema. */
  readonly drift?: readonly string[]
  readonly overdue?: Overdue
  /** Of an inbox that is large. */
  readonly inbox?: Pick<TableSize, 'bytes' | 'rows'>
}

/** How much later than its time an event may still be there, in ms, beside what two clean-ups are apart. */
const GRACE = 3_600_000
/** Rows looked at, from the oldest on. */
const ROWS = 1_000

/** Looks at what the status leaves out. `retention`: that of the workers; false = they delete nothing. `maxInbox`: bytes. */
export async function lookThoroughly(
  store: Pick<Store, 'wake' | 'retention' | 'schema'>,
  retention: ResolvedRetention | false,
  { maxInbox, compareSchema }: { readonly maxInbox: number; readonly compareSchema: boolean },
): Promise<ThoroughLook> {
  const [drift, notToldOfCommits, overdue, inbox] = await Promise.all([
    compareSchema ? (store.schema.drift?.() ?? []) : [],
    troubleOfWakeUp(store),
    retention === false ? undefined : overdueOf(store, retention),
    inboxOf(store),
  ])
  return {
    ...(drift.length > 0 && { drift }),
    ...(notToldOfCommits !== undefined && { notToldOfCommits }),
    ...(overdue !== undefined && { overdue }),
    ...(inbox !== undefined && inbox.bytes >= maxInbox && { inbox }),
  }
}

/** As a worker tries it. */
async function troubleOfWakeUp({ wake }: Pick<Store, 'wake'>): Promise<string | undefined> {
  try {
    const ignored = (): void => {}
    const listener = await wake?.listen(ignored, ignored)
    await listener?.close()
    return undefined
  } catch (error) {
    return describeError(error)
  }
}

/** The one that is overdue for longest, among the oldest rows. */
async function overdueOf(
  { retention: rows }: Pick<Store, 'retention'>,
  options: ResolvedRetention,
): Promise<Overdue | undefined> {
  const rules = rulesOf(options)
  const none = { published: null, failed: null, cancelled: null }
  const { events } = await rows.walk({ after: null, rows: ROWS, ages: leastAges(rules), upTo: none })
  const late = events.flatMap(({ eventType, status, age }) => {
    const kept = keptFor(rules, eventType, status)
    return kept !== null && age > kept + GRACE + 2 * options.interval ? [{ status, age, kept }] : []
  })
  return late.toSorted((a, b) => b.age - b.kept - (a.age - a.kept))[0]
}

function keptFor(rules: Rules, eventType: string, status: SettledStatus): number | null {
  return rules[ruleFor(rules, eventType)]?.ages[status] ?? null
}

async function inboxOf({ schema }: Pick<Store, 'schema'>): Promise<ThoroughLook['inbox']> {
  const sizes = await schema.sizes?.()
  return sizes?.find(({ name }) => name.endsWith('_inbox'))
}
