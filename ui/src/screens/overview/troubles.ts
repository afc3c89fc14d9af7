import type { BackendJson, Count, Status } from '../../api/types.ts'
import { backendState } from '../../words/backend-state.ts'
import { countText, isExact, manyText, sumOf } from '../../words/number.ts'

/** One thing that is the matter. */
export type Trouble = {
  /** Events that are held by it. */
  readonly stuck: Count
  /** Milliseconds that it has lasted when the status was read; null = not known. */
  readonly lasts: number | null
} & (
  | { readonly kind: 'down' | 'paused' | 'slow'; readonly backend: BackendJson }
  | { readonly kind: 'blocked'; readonly keys: Count; readonly backends: readonly string[] }
  | { readonly kind: 'finding'; readonly message: string; readonly cure: string | null }
)

/** Findings that have a row of their own, or that no event waits for. */
const TOLD = new Set(['breaker-open', 'events-failed', 'backend'])

/** What is the matter, most events first. The counts add up to `stuckOf`. Pure. */
export function troublesOf(status: Status): readonly Trouble[] {
  const rows: Trouble[] = []
  const flowing: BackendJson[] = []
  for (const backend of status.backends) {
    const kind = backendState(backend)
    if (kind === 'flowing') {
      if (backend.blockedKeys.count > 0) flowing.push(backend)
      continue
    }
    const since =
      kind === 'paused' ? sinceOf(status, backend) : Math.max(0, ...backend.openBreakers.map(({ since }) => since ?? 0))
    rows.push({ kind, backend, stuck: backend.stuck, lasts: since === 0 ? null : since })
  }
  if (flowing.length > 0) {
    const names = flowing.map(({ backend }) => backend)
    const ages = status.blockedKeys.filter(({ backend }) => names.includes(backend)).map(({ since }) => since)
    rows.push({
      kind: 'blocked',
      stuck: sumOf(flowing.map(({ stuck }) => stuck)),
      keys: sumOf(flowing.map(({ blockedKeys }) => blockedKeys)),
      backends: names,
      lasts: ages.length === 0 ? null : Math.max(...ages),
    })
  }
  const found = status.findings.filter(({ code, level }) => level === 'wrong' && !TOLD.has(code))
  rows.push(
    ...found.map(({ message, cure }) => ({
      kind: 'finding' as const,
      message,
      cure,
      stuck: { count: 0, exact: true },
      lasts: null,
    })),
  )
  return rows.sort((a, b) => b.stuck.count - a.stuck.count)
}

function sinceOf({ at }: Status, { paused }: BackendJson): number {
  return at === null || paused === null ? 0 : Math.max(0, Date.parse(at) - Date.parse(paused.at))
}

/** What is held, of all backends. Pure. */
export const stuckOf = (status: Status): Count => sumOf(status.backends.map(({ stuck }) => stuck))

/** The first line: a sentence with a number. Pure. */
export function verdictOf(
  status: Status,
  troubles: readonly Trouble[],
): { readonly isWell: boolean; readonly title: string; readonly text: string } {
  const stuck = stuckOf(status)
  const places = troubles.filter((one) => one.stuck.count > 0).length
  const away = status.backends.filter((one) => ['down', 'paused'].includes(backendState(one))).length
  const keys = sumOf(status.backends.map(({ blockedKeys }) => blockedKeys))
  if (troubles.length === 0) {
    const of = `${manyText(status.backends.length, 'backend')}, ${manyText(status.workers.length, 'worker')}.`
    const lag = Math.max(0, ...status.backends.map((one) => one.lag ?? 0))
    return { isWell: true, title: 'Everything is flowing', text: `${of} ${lag === 0 ? 'Nothing waits.' : ''}`.trim() }
  }
  const parts = [
    away === 0
      ? ''
      : `${away} of ${manyText(status.backends.length, 'backend')} ${away === 1 ? 'does' : 'do'} not deliver`,
    keys.count === 0 ? '' : `${manyText(keys, 'key')} ${keys.count === 1 && isExact(keys) ? 'is' : 'are'} blocked`,
  ].filter(Boolean)
  const text = parts.length === 0 ? '' : `${parts.join(', and ')}. `
  if (stuck.count === 0) {
    const title =
      troubles.length === 1
        ? 'Nothing is stuck, but one thing is wrong'
        : `Nothing is stuck, but ${troubles.length} things are wrong`
    return { isWell: false, title, text: `${text}Nothing is lost: events wait in the outbox.` }
  }
  const many = stuck.count === 1 && isExact(stuck) ? '1 event is stuck' : `${countText(stuck)} events are stuck`
  return {
    isWell: false,
    title: `${many}, in ${places === 1 ? 'one place' : `${places} places`}`,
    text: `${text}Nothing is lost: it waits in the outbox.`,
  }
}
