import { createHash } from 'node:crypto'

/** The first 32 bits of SHA-256 of a partition key, unsigned: every database takes it modulo its lanes. */
export function hashKey(partitionKey: string): number {
  return createHash('sha256').update(partitionKey).digest().readUInt32BE(0)
}
