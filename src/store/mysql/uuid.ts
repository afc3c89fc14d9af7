const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether a text is a UUID: one that is not is nobody's id, and no error. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** A UUID as the table holds it: 32 hexadecimal digits, as Django writes it. A native `uuid` column reads that, too. */
export function toSqlId(id: string): string {
  return id.replaceAll('-', '').toLowerCase()
}

/** The canonical form of a stored UUID; a native `uuid` column of MariaDB gives it with its hyphens. */
export function fromSqlId(stored: string): string {
  if (stored.length === 36) return stored
  return `${stored.slice(0, 8)}-${stored.slice(8, 12)}-${stored.slice(12, 16)}-${stored.slice(16, 20)}-${stored.slice(20)}`
}
