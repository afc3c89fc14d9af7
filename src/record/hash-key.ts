import { createHash } from 'node:crypto'

/** The first 32 bits of SHA-256 of a partition key, unsigned: what every database takes modulo its lanes. */
export function hashKey(partitionKey: string): number {
  return createHash('sha256').update(partitionKey).digest().readUInt32BE(0)
}
