import { stringifyJson } from '../event/json.ts'
import { type ApiError, problemAnswer } from './api-problem.ts'

/** What a page of ours may load and do: its own files, and nothing inline. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'self'",
  "form-action 'self'",
].join('; ')

/** On every answer. */
const SECURITY: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

/** An answer with the headers that all have; nothing is kept by a cache unless `headers` says so. */
export function answer(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  status: number,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, { status, headers: { 'cache-control': 'no-store', ...SECURITY, ...headers } })
}

/** A value as JSON; `bigint`s with all their digits. */
export function jsonAnswer(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return answer(stringifyJson(value), 200, {
    'content-type': 'application/json',
    vary: 'cookie, authorization',
    ...headers,
  })
}

/** A problem by RFC 9457. */
export function problemResponse(problem: ApiError): Response {
  const told = problemAnswer(problem)
  const seconds = told.retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(told.retryAfter / 1_000)) }
  return answer(JSON.stringify(told), told.status, {
    'content-type': 'application/problem+json',
    ...seconds,
    ...problem.details.headers,
  })
}
