import { type Problem, throwProblems } from '../foundation/problem.ts'

/** The tables of an outbox besides its events, by the suffix of their names. */
const BESIDE = [
  'lanes',
  'workers',
  'breakers',
  'destinations',
  'rates',
  'settings',
  'inbox',
  'audit',
  'operations',
  'undo',
  'flow',
  'outages',
  'duties',
  'migrations',
] as const

/** The tables that every outbox has. */
export const TABLES = ['events', ...BESIDE] as const

/** The tables of one outbox, each as a dialect writes a name in SQL. */
export type TableNames<Name> = { readonly [Table in (typeof TABLES)[number]]: Name }

/** The common prefix of an outbox: beside `outbox_events` stand `outbox_lanes`, `outbox_workers` and so on. */
export function prefixOf(table: string): string {
  return table.replace(/_events$/, '')
}

/** The names of all tables, from that of the events table; `written` quotes and qualifies a name. */
export function tableNames<Name>(table: string, written: (name: string) => Name): TableNames<Name> {
  const beside = BESIDE.map((suffix) => [suffix, written(`${prefixOf(table)}_${suffix}`)])
  return { events: written(table), ...Object.fromEntries(beside) }
}

/**
 * Throws `INVALID_OPTION` for a name that is not a plain identifier of at most `longest` characters. `what` takes the
 * options: `postgres()`.
 */
export function requireNames(what: string, longest: number, names: Readonly<Record<string, string | undefined>>): void {
  const problems: Problem[] = []
  for (const [field, value] of Object.entries(names)) {
    if (value === undefined) continue
    if (typeof value === 'string' && value.length <= longest && /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) continue
    problems.push({
      code: 'INVALID_OPTION',
      field,
      value,
      message: `is ${JSON.stringify(value)}; give at most ${longest} letters, digits and underscores, not beginning with a digit`,
    })
  }
  throwProblems(what, problems)
}
