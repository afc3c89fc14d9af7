import { hash } from 'node:crypto'

/** The first 32 bits of SHA-256 of a partition key, unsigned: every database takes it modulo its lanes. */
export function hashKey(partitionKey: string): number {
  return Number.parseInt(hash('sha256', partitionKey, 'hex').slice(0, 8), 16)
}

/** A partition key in logs and addresses of pages: eight hexadecimal digits of its hash, the same everywhere. */
export function keyHash(partitionKey: string): string {
  return hashKey(partitionKey).toString(16).padStart(8, '0')
}
