import type { FindingRow, Status } from '../../api/types.ts'

/** What only a thorough look of the server finds, which it takes once a minute at most. */
const ONLY_THOROUGH: ReadonlySet<string> = new Set(['commits-not-told', 'retention-behind', 'inbox-large', 'backend'])

/** Those of the status, as new as it is, and those of a thorough look that no status has. Pure. */
export function allFindings(status: Status, thorough: readonly FindingRow[] = []): Status {
  const more = thorough.filter(({ code }) => ONLY_THOROUGH.has(code))
  return more.length === 0 ? status : { ...status, findings: [...status.findings, ...more] }
}
