/** What the server or the network said instead of an answer. */
export class Problem extends Error {
  readonly code: string
  /** The HTTP status; 0 = no answer came. */
  readonly status: number
  readonly field: string | undefined
  /** The character of a filter where the mistake is, from 0. */
  readonly at: number | undefined
  /** Where it ends. */
  readonly end: number | undefined

  constructor(
    code: string,
    detail: string,
    more: { status?: number; field?: string | undefined; at?: number | undefined; end?: number | undefined } = {},
  ) {
    super(detail)
    this.code = code
    this.status = more.status ?? 0
    this.field = more.field
    this.at = more.at
    this.end = more.end
  }
}

/** Whatever was thrown, as a problem. */
export const asProblem = (thrown: unknown): Problem =>
  thrown instanceof Problem
    ? thrown
    : new Problem('UNREADABLE', thrown instanceof Error ? thrown.message : String(thrown))

/** Reads `application/problem+json`, and what a proxy in between may have said instead. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => '')
  try {
    const { code, detail, title, field, at, end } = JSON.parse(text) as Record<string, unknown>
    return new Problem(String(code ?? response.status), String(detail ?? title ?? response.statusText), {
      status: response.status,
      field: typeof field === 'string' ? field : undefined,
      at: typeof at === 'number' ? at : undefined,
      end: typeof end === 'number' ? end : undefined,
    })
  } catch {
    return new Problem(String(response.status), response.statusText || 'The server gave no reason.', {
      status: response.status,
    })
  }
}
