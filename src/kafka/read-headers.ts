import type { FetchedRecord } from './partition.ts'

/** The headers of a record by name; the last of several of one name. One without a value is left out. */
export function readHeaders(headers: FetchedRecord['headers']): ReadonlyMap<string, string> {
  return new Map(
    headers.flatMap(([name, value]): [string, string][] =>
      name === null || value === null ? [] : [[String(name), String(value)]],
    ),
  )
}
