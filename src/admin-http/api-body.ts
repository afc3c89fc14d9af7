import { parseJson } from '../event/json.ts'
import { BodyTakenError } from '../foundation/node-listener.ts'
import { waitFor } from '../foundation/waiting.ts'
import { ApiError } from './api-problem.ts'

/** The most that a body may be, in bytes. */
export const LARGEST_BODY = 65_536
/** How long a body may take to come, in milliseconds. */
const BODY_TIME = 5_000

/**
 * The JSON object in a request's body, of these members; one without members where there is no body. Throws `ApiError`:
 * `UNSUPPORTED_TYPE`, `TOO_LARGE`, `SLOW_BODY`, `BODY_TAKEN`, `BAD_REQUEST`.
 */
export async function readBody(
  request: Request,
  members: readonly string[],
  time = BODY_TIME,
): Promise<Readonly<Record<string, unknown>>> {
  const [type = ''] = (request.headers.get('content-type') ?? '').toLowerCase().split(';')
  if (type.trim() !== 'application/json') {
    throw new ApiError('UNSUPPORTED_TYPE', 'Send the body with content-type: application/json.')
  }
  const bytes = await readBytes(request, time)
  if (bytes.length === 0) return {}
  let value: unknown
  try {
    value = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new ApiError('BAD_REQUEST', 'The body is not JSON in UTF-8.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('BAD_REQUEST', 'The body is not a JSON object.')
  }
  for (const name of Object.keys(value)) {
    if (members.includes(name)) continue
    const known = members.length === 0 ? 'it takes none' : `it takes ${members.join(', ')}`
    throw new ApiError('BAD_REQUEST', `The body has a member that this call does not take; ${known}.`, {
      field: name.slice(0, 40),
    })
  }
  return value as Readonly<Record<string, unknown>>
}

async function readBytes(request: Request, time: number): Promise<Uint8Array> {
  const tooLarge = (): ApiError =>
    new ApiError('TOO_LARGE', `A body has at most ${LARGEST_BODY} bytes; give a filter in place of many ids.`)
  if (Number(request.headers.get('content-length') ?? 0) > LARGEST_BODY) throw tooLarge()
  const reader = request.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  const read = async (): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = []
    let size = 0
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return Buffer.concat(pieces)
      size += value.byteLength
      if (size > LARGEST_BODY) throw tooLarge()
      pieces.push(value)
    }
  }
  try {
    const late = (): ApiError => new ApiError('SLOW_BODY', `The body must arrive within ${time / 1_000} s.`)
    return await waitFor(read(), { timeout: time }, late)
  } catch (error) {
    // The rest is not needed; a body that failed says so again.
    void reader.cancel().catch(() => undefined)
    if (error instanceof ApiError) throw error
    if (error instanceof BodyTakenError)
      throw new ApiError('BODY_TAKEN', `Where the admin is mounted, ${error.message}.`)
    throw new ApiError('BAD_REQUEST', 'The body broke off.')
  }
}
