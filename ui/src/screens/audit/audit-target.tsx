import type { JSX } from 'preact'

/** Ids shown of many; the rest is a number. */
const SHOWN = 3

interface Target {
  readonly ids?: readonly string[]
  readonly idsMore?: number
  readonly filter?: unknown
  readonly all?: true
  readonly entry?: number
  readonly backend?: string
  readonly destination?: string
  readonly consumer?: string
  readonly to?: unknown
}

/** What an action was about, in words; `text` is the JSON of the audit. */
export function AuditTarget({ text }: { readonly text: string }): JSX.Element {
  const target = readTarget(text)
  if (target === undefined) return <span class="mono break">{text}</span>
  const { ids = [], idsMore = 0, filter, all, entry, backend, destination, consumer, to } = target
  const more = ids.length + idsMore - SHOWN
  return (
    <span class="break">
      {backend === undefined ? null : <>backend {backend}</>}
      {destination === undefined || destination === '' ? null : <> at {destination}</>}
      {consumer === undefined ? null : <>consumer {consumer}</>}
      {all === true ? 'every event' : null}
      {entry === undefined ? null : <> line {entry} </>}
      {filter === undefined ? null : <code>{typeof filter === 'string' ? filter : JSON.stringify(filter)}</code>}
      {ids.slice(0, SHOWN).map((id) => (
        <span class="nowrap" key={id}>
          <a class="mono" href={`events/${id}`} title={id}>
            …{id.slice(-8)}
          </a>{' '}
        </span>
      ))}
      {more > 0 ? `and ${more} more` : null}
      {to === undefined ? null : <> to {typeof to === 'string' ? to : JSON.stringify(to)}</>}
    </span>
  )
}

function readTarget(text: string): Target | undefined {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? (read as Target) : undefined
  } catch {
    return undefined
  }
}
