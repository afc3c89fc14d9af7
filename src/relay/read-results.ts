import { notDelivered, type SendResult } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'

/** The results of a send, checked: a backend is foreign code. Undefined where it gave none that can be read. */
export function readResults(given: unknown, count: number): readonly (SendResult | undefined)[] | undefined {
  try {
    // If its length differs, it is not known which result is whose.
    if (!Array.isArray(given) || given.length !== count) return undefined
    return Array.from(given, readResult)
  } catch {
    return undefined
  }
}

/** Of nearly all events: one for all of them. */
const DELIVERED: SendResult = Object.freeze({ ok: true })

/** Each member is read once, here: what a getter throws must not end a later reader. */
export function readResult(given: unknown): SendResult | undefined {
  if (typeof given !== 'object' || given === null) return undefined
  try {
    const { ok, progress, error } = given as { readonly [name: string]: unknown }
    if (ok === true && progress === undefined) return DELIVERED
    const kept = progress === undefined ? {} : { progress }
    if (ok === true) return { ok, ...kept }
    if (ok !== false) return undefined
    return { ...notDelivered(error ?? withoutError()), ...kept }
  } catch {
    return undefined
  }
}

function withoutError(): BroadcasterError {
  return new BroadcasterError('SEND_FAILED', 'the backend said that the event was not delivered, without an error')
}
