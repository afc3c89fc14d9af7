import type { FetchedRecord } from './partition.ts'

/** The headers of a record by name; of several of one name the last. One without a value is not there. */
export function readHeaders(headers: FetchedRecord['headers']): ReadonlyMap<string, string> {
  return new Map(
    headers.flatMap(([name, value]): [string, string][] =>
      name === null || value === null ? [] : [[String(name), String(value)]],
    ),
  )
}
