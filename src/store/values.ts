import { uuidFromHex } from '../event/uuid.ts'
import type { Status } from '../record/status.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether a text is a UUID: any other text is the id of no row, which is not an error. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** A UUID as 32 hexadecimal digits, as Django writes it where there is no `uuid` type; `uuid` columns read it too. */
export function toSqlId(id: string): string {
  return id.replaceAll('-', '').toLowerCase()
}

/** The canonical form of a stored UUID; a native `uuid` column gives it with its hyphens. */
export function fromSqlId(stored: unknown): string {
  const text = String(stored)
  return text.length === 36 ? text : uuidFromHex(text)
}

/** An instant as text, in UTC and as Django writes it. All have the same length, so they sort by time. */
export function toSqlDate(date: Date): string {
  return `${date.toISOString().slice(0, 23).replace('T', ' ')}000`
}

/**
 * Reads such an instant. Microseconds are cut off, not rounded: the millisecond it is in. Django and some servers omit
 * a fraction of zero.
 */
export function fromSqlDate(stored: unknown): Date {
  const text = String(stored)
  return new Date(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`)
}

/** Bytes as text, for a statement. */
export function textOfBytes({ buffer, byteOffset, byteLength }: Uint8Array, as: 'base64' | 'hex'): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString(as)
}

/** Statuses as a list in SQL. */
export function statusList(statuses: readonly Status[]): string {
  return `(${statuses.map((status) => `'${status}'`).join(', ')})`
}
