import { BroadcasterError } from '../errors.ts'
import { describeKind } from './describe-kind.ts'
import { hasMethods } from './option-kinds.ts'

/**
 * Throws `INVALID_OPTION` for anything but a `Request`, such as that of `node:http`. `what` takes it: `the function of
 * healthHandler()`.
 */
export function requireRequest(what: string, given: unknown): void {
  const { url, headers } = Object(given) as { readonly url?: unknown; readonly headers?: unknown }
  if (typeof url === 'string' && hasMethods(headers, ['get', 'has'])) return
  const message = `${what} takes a Request, and this is ${describeKind(given)}; for node:http wrap it: createServer(toNodeListener(...))`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'request' })
}
