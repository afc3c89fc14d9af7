import type { NewOutboxEvent } from '../record/columns.ts'
import type { PublishStore } from './store.ts'

/** Bytes of a row beside its texts: column values of fixed size, quotes, names in a JSON parameter. */
const OVERHEAD = 600

/**
 * Rows in groups, in their order, each of which fits into one insert of the store: by its number of rows, and by their
 * size. A row that is larger than the limit by itself stands alone, for the database to judge.
 */
export function insertChunks(
  store: Pick<PublishStore, 'rowsPerInsert' | 'bytesPerInsert'>,
  rows: readonly NewOutboxEvent[],
): readonly (readonly NewOutboxEvent[])[] {
  const { rowsPerInsert = Number.POSITIVE_INFINITY, bytesPerInsert = Number.POSITIVE_INFINITY } = store
  const chunks: NewOutboxEvent[][] = []
  let chunk: NewOutboxEvent[] = []
  let size = 0
  for (const row of rows) {
    const bytes = sizeOf(row)
    if (chunk.length > 0 && (chunk.length >= rowsPerInsert || size + bytes > bytesPerInsert)) {
      chunks.push(chunk)
      chunk = []
      size = 0
    }
    chunk.push(row)
    size += bytes
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}

/** About as many bytes as its values take in a statement: data as UTF-8, bytes as Base64 or hexadecimal digits. */
function sizeOf({ data, dataBinary, extensions, publisherConfig }: NewOutboxEvent): number {
  const texts = [data, extensions, publisherConfig].reduce((sum, text) => sum + (text ? Buffer.byteLength(text) : 0), 0)
  return OVERHEAD + texts + (dataBinary ? 2 * dataBinary.byteLength : 0)
}
