import { hash } from 'node:crypto'

/** The first 32 bits of SHA-256 of a partition key, unsigned: every database takes it modulo its lanes. */
export function hashKey(partitionKey: string): number {
  return Number.parseInt(hash('sha256', partitionKey, 'hex').slice(0, 8), 16)
}
