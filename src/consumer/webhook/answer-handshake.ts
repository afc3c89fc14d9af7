import type { WebhookReceiverSettings } from './options.ts'

/** What a receiver permits. */
export type Permits = Pick<WebhookReceiverSettings, 'allowedOrigins' | 'allowedRate'>

/** Answers a request for permission (CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4.2). */
export function answerHandshake({ headers }: Request, { allowedOrigins, allowedRate }: Permits): Response {
  const allow = { allow: 'POST, OPTIONS' }
  if (allowedOrigins.length === 0) return new Response(null, { status: 405, headers: { allow: 'POST' } })
  const origin = headers.get('webhook-request-origin')?.trim() ?? ''
  if (origin === '') return new Response(null, { status: 204, headers: allow })
  const known = allowedOrigins === '*' || allowedOrigins.some((one) => one.toLowerCase() === origin.toLowerCase())
  if (!known) return new Response(null, { status: 403, headers: allow })
  const wanted = headers.get('webhook-request-rate')?.trim() ?? ''
  const asked = /^[1-9]\d{0,8}$/.test(wanted) ? Number(wanted) : Number.POSITIVE_INFINITY
  const rate = allowedRate === null ? '*' : String(Math.min(asked, allowedRate))
  return new Response(null, {
    status: 200,
    headers: { ...allow, 'webhook-allowed-origin': origin, 'webhook-allowed-rate': rate },
  })
}
