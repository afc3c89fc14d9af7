import { isUtf8 } from 'node:buffer'
import { BroadcasterError } from '../errors.ts'
import type { FetchedRecord } from './partition.ts'

/** The headers of a record by name; the last of several of one name. One without a value is left out. */
export function readHeaders(headers: FetchedRecord['headers']): ReadonlyMap<string, string> {
  return new Map(
    headers.flatMap(([name, value]): [string, string][] =>
      name === null || value === null ? [] : [[String(name), String(value)]],
    ),
  )
}

/**
 * The same for the event of a record. Throws `DECODE_FAILED` where a header that is part of the event is not UTF-8, in place of an
 * attribute with replacement characters; any other header may hold any bytes.
 */
export function readEventHeaders(headers: FetchedRecord['headers']): ReadonlyMap<string, string> {
  for (const [name, value] of headers) {
    if (name === null || value === null || isUtf8(value) || !/^(?:ce_|content-type$)/i.test(String(name))) continue
    const field = String(name)
    const message = `the header ${field} is not text in UTF-8; whoever writes the records must encode it so`
    throw new BroadcasterError('DECODE_FAILED', message, { field })
  }
  return readHeaders(headers)
}
