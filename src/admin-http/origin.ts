import { arrivalOf } from '../foundation/arrival.ts'
import { ApiError } from './api-problem.ts'

/** Headers that a proxy adds: whoever has one came from elsewhere. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via']
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/
const LOCAL_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

/** Whether an address, or the name of a host to listen at, is of this machine alone. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || LOOPBACK.test(address)
}

/** The last value of a header that proxies add to. */
function last(request: Request, header: string): string | undefined {
  return request.headers.get(header)?.split(',').at(-1)?.trim()
}

/** The address of whoever asks, as far as it is known. */
export function addressOf(request: Request, trustProxy: boolean): string | undefined {
  return (trustProxy ? last(request, 'x-forwarded-for') : undefined) ?? arrivalOf(request)?.remoteAddress
}

/** Whether the browser speaks HTTPS with us, or with the proxy in front. */
export function isHttps(request: Request, trustProxy: boolean): boolean {
  if (trustProxy && last(request, 'x-forwarded-proto') === 'https') return true
  return arrivalOf(request)?.encrypted ?? new URL(request.url).protocol === 'https:'
}

/**
 * Throws `NOT_LOCAL` unless the request was made on this machine, for this machine: by an address of the loopback, without a proxy,
 * and under a local name (a page elsewhere can give its own name our address, and would be let in under it).
 */
export function requireThisMachine(request: Request): void {
  const address = arrivalOf(request)?.remoteAddress
  const refused = (why: string): ApiError =>
    new ApiError(
      'NOT_LOCAL',
      `With unsafe: true only this machine may ask, and ${why}; set token, basic or authenticate.`,
    )
  if (address === undefined) throw refused('without toNodeListener it is not known where a request comes from')
  if (!LOOPBACK.test(address)) throw refused('this came from another')
  if (FORWARDED.some((header) => request.headers.has(header))) throw refused('this came by a proxy')
  if (!LOCAL_NAME.test(request.headers.get('host') ?? '')) throw refused('this was sent under another name')
}
