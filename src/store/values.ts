import type { Status } from '../record/status.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether a text is a UUID: one that is not is nobody's id, and no error. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** A UUID where a database has no type for it: 32 hexadecimal digits, as Django writes it. A native `uuid` column reads that, too. */
export function toSqlId(id: string): string {
  return id.replaceAll('-', '').toLowerCase()
}

/** The canonical form of a stored UUID; a native `uuid` column gives it with its hyphens. */
export function fromSqlId(stored: string): string {
  if (stored.length === 36) return stored
  return `${stored.slice(0, 8)}-${stored.slice(8, 12)}-${stored.slice(12, 16)}-${stored.slice(16, 20)}-${stored.slice(20)}`
}

/** An instant as text, in UTC and as Django writes it. All of one length, so that it sorts by time. */
export function toSqlDate(date: Date): string {
  return `${date.toISOString().slice(0, 23).replace('T', ' ')}000`
}

/**
 * Reads one. Microseconds are cut off, not rounded: a row shows the millisecond it is in. Django and some servers leave a fraction
 * of zero out.
 */
export function fromSqlDate(text: string): Date {
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
