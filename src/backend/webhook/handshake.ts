import type { Answer } from './exchange.ts'
import type { ResolvedHandshake } from './handshake-options.ts'

/** What the destination said to our request for permission. */
export type Permission =
  /** `rate` in requests a minute; null = no limit. */
  { readonly granted: true; readonly rate: number | null } | { readonly granted: false; readonly reason: string }

/** The headers of the request for permission (CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4.1). */
export function handshakeHeaders({ origin, rate }: ResolvedHandshake): Readonly<Record<string, string>> {
  return {
    'webhook-request-origin': origin,
    ...(rate === undefined ? {} : { 'webhook-request-rate': String(rate) }),
  }
}

/** Reads the answer to it (section 4.2): the headers alone permit; the specification says not to rely on the status. */
export function readPermission({ status, headers }: Answer, asked: ResolvedHandshake): Permission {
  const origin = headers['webhook-allowed-origin']?.trim()
  const rate = headers['webhook-allowed-rate']?.trim()
  if (!origin) {
    return { granted: false, reason: `answered ${status} to OPTIONS without WebHook-Allowed-Origin` }
  }
  if (origin !== '*' && origin.toLowerCase() !== asked.origin.toLowerCase()) {
    return { granted: false, reason: `permits events from ${shown(origin)}, and we are ${asked.origin}` }
  }
  if (rate === '*') return { granted: true, rate: null }
  // It must name a rate when it was asked for one; until it does, what we asked for is all that we may assume.
  if (!rate) return { granted: true, rate: asked.rate ?? null }
  const perMinute = /^\d{1,9}$/.test(rate) ? Number(rate) : 0
  if (perMinute > 0) return { granted: true, rate: perMinute }
  return { granted: false, reason: `permits a rate of ${shown(rate)}, which is no number of requests a minute` }
}

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
