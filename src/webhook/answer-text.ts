import { brotliDecompressSync, gunzipSync, inflateSync, constants as zlib } from 'node:zlib'

/** How much of a body an error message shows, in characters. */
const SHOWN = 200
/** The most that a compressed body may become, in bytes: a few hundred of them can hold a megabyte. */
const MOST_UNPACKED = 256 * 1024

/** The end of an answer's body for an error message: one line, without terminal control characters. */
export function answerText(body: Buffer, encoding: string | undefined): string {
  const plain = unpacked(body, encoding?.trim().toLowerCase() || 'identity')
  if (plain === undefined) return body.length === 0 ? '' : `(${body.length} bytes in ${onOneLine(encoding ?? '', 40)})`
  return onOneLine(plain.toString('utf8'), -SHOWN)
}

/**
 * The first `length` characters of a text from elsewhere (the last ones when `length` is negative), without control and
 * formatting characters, line breaks and lone surrogates.
 */
export function onOneLine(text: string, length: number): string {
  // Cut generously first: the text may be of any size.
  const rough = length < 0 ? text.slice(8 * length) : text.slice(0, 8 * length)
  const plain = rough
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  return (length < 0 ? plain.slice(length) : plain.slice(0, length)).toWellFormed()
}

/** Undefined = an unknown encoding, or not really in it. A body that was cut off is read as far as it goes. */
function unpacked(body: Buffer, encoding: string): Buffer | undefined {
  const limit = { maxOutputLength: MOST_UNPACKED, finishFlush: zlib.Z_SYNC_FLUSH }
  try {
    switch (encoding) {
      case 'identity':
        return body
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, limit)
      case 'deflate':
        return inflateSync(body, limit)
      case 'br':
        return brotliDecompressSync(body, { ...limit, finishFlush: zlib.BROTLI_OPERATION_FLUSH })
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}
