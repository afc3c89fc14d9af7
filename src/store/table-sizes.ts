/** What a table of the outbox takes up. */
export interface TableSize {
  /** Its name, without quotes. */
  readonly name: string
  /** Bytes on disk: rows, indexes and what is stored beside them, of all its partitions together. */
  readonly bytes: number
  /** Those of its indexes; null = not known. */
  readonly indexBytes: number | null
  /** Rows, as the database's statistics have it; null = not known. */
  readonly rows: number | null
  /** Its indexes, the largest first; empty where they are not told apart. */
  readonly indexes: readonly IndexSize[]
}

/** What an index takes up. */
export interface IndexSize {
  /** Its name, without quotes. */
  readonly name: string
  /** Bytes on disk. */
  readonly bytes: number
}

/** Tables of the largest first, from rows of (name, bytes, index_bytes, rows), and their indexes from rows of (table_name, name, bytes). Pure. */
export function tableSizes(
  tables: readonly Readonly<Record<string, unknown>>[],
  indexes: readonly Readonly<Record<string, unknown>>[],
): readonly TableSize[] {
  const byTable = Map.groupBy(indexes, (row) => String(row['table_name']))
  const known = (value: unknown): number | null => (value == null || Number(value) < 0 ? null : Number(value))
  const largestFirst = <Size extends IndexSize>(sizes: readonly Size[]): readonly Size[] =>
    sizes.toSorted((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))
  return largestFirst(
    tables.map((row) => ({
      name: String(row['name']),
      bytes: Number(row['bytes']),
      indexBytes: known(row['index_bytes']),
      rows: known(row['row_count']),
      indexes: largestFirst(
        (byTable.get(String(row['name'])) ?? []).map((index) => ({
          name: String(index['name']),
          bytes: Number(index['bytes']),
        })),
      ),
    })),
  )
}
