/** amqplib's one buffer for headers, in bytes. A larger table throws in the middle of a publish. */
export const MOST_HEADER_BYTES = 64 * 1024

/**
 * The bytes of a table of headers as AMQP writes it: its length, and for each header the name, a letter for the type,
 * and the value. Numbers are counted at their maximum size.
 */
export function tableBytes(table: object): number {
  let size = 4
  for (const [name, value] of Object.entries(table)) {
    if (value !== undefined) size += headerBytes(name, value)
  }
  return size
}

/** The bytes of one header. */
export function headerBytes(name: string, value: unknown): number {
  return 1 + Buffer.byteLength(name) + valueBytes(value)
}

function valueBytes(value: unknown): number {
  if (typeof value === 'string') return 5 + Buffer.byteLength(value)
  if (typeof value === 'boolean') return 2
  if (value === null || typeof value !== 'object') return 9
  if (Buffer.isBuffer(value)) return 5 + value.length
  if (Array.isArray(value)) return 5 + value.reduce<number>((sum, each) => sum + valueBytes(each), 0)
  // A type of AMQP's own, such as a timestamp: { '!': 'timestamp', value }.
  if ('!' in value && 'value' in value) return 1 + valueBytes(value.value)
  return 1 + tableBytes(value)
}
