/** The outcome of one handler, as stored in the event's `progress`. */
export interface HandlerResult {
  readonly ok: boolean
  /** When it ended, RFC 3339, by the worker's clock: for people to read. */
  readonly at: string
  /** How long it took, in milliseconds. */
  readonly ms: number
  /** Why it failed. */
  readonly error?: string
}

/** The `progress` of an event that local handlers handle: the last result of each, by name. */
export interface HandlerProgress {
  readonly handlers: Readonly<Record<string, HandlerResult>>
}

/** The progress stored with an event; anything of another shape counts as none. */
export function readHandlerProgress(progress: unknown): HandlerProgress {
  const handlers = isObject(progress) ? progress['handlers'] : undefined
  if (!isObject(handlers)) return { handlers: {} }
  const results: Record<string, HandlerResult> = {}
  for (const [name, result] of Object.entries(handlers)) {
    if (!isObject(result) || typeof result['ok'] !== 'boolean') continue
    results[name] = {
      ok: result['ok'],
      at: typeof result['at'] === 'string' ? result['at'] : '',
      ms: typeof result['ms'] === 'number' ? result['ms'] : 0,
      ...(typeof result['error'] === 'string' ? { error: result['error'] } : {}),
    }
  }
  return { handlers: results }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
