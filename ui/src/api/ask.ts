import { base } from '../place/place.ts'
import { Problem, problemOf } from './problem.ts'
import { loggedOut, session } from './session.ts'

export type Query = Readonly<Record<string, string | number | undefined>>

/** The address of a question: `api/events?q=status:failed`. What is undefined or empty is left out. */
export function addressOf(path: string, query: Query = {}): string {
  const asked = new URLSearchParams()
  const outbox = session.peek()?.outbox
  const several = (session.peek()?.outboxes.length ?? 0) > 1
  if (several && outbox !== undefined && outbox !== '') asked.set('outbox', outbox)
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') asked.set(name, String(value))
  const text = asked.toString()
  return new URL(`api/${path}${text === '' ? '' : `?${text}`}`, base).href
}

/** Asks; throws a `Problem`. */
export async function ask<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
  return answer<Answer>(addressOf(path, query), { ...(signal === undefined ? {} : { signal }) })
}

/** Does something; throws a `Problem`. */
export function post<Answer>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<Answer> {
  return postText<Answer>(path, JSON.stringify(body), signal)
}

/** The same with a body that is JSON already: numbers in it keep their digits. */
export async function postText<Answer>(path: string, body: string, signal?: AbortSignal): Promise<Answer> {
  const csrf = session.peek()?.csrf ?? undefined
  return answer<Answer>(addressOf(path), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(csrf === undefined ? {} : { 'x-csrf': csrf }) },
    body,
    ...(signal === undefined ? {} : { signal }),
  })
}

async function answer<Answer>(address: string, init: RequestInit): Promise<Answer> {
  let response: Response
  try {
    response = await fetch(address, { credentials: 'same-origin', ...init })
  } catch (thrown) {
    if (init.signal?.aborted === true) throw thrown
    throw new Problem('NO_ANSWER', 'The server did not answer. Delivery does not depend on it: workers go on.')
  }
  if (!response.ok) {
    const problem = await problemOf(response)
    if (problem.status === 401 && init.method !== 'POST') loggedOut()
    throw problem
  }
  if (response.status === 204) return undefined as Answer
  return (await response.json()) as Answer
}
