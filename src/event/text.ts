import { BroadcasterError } from '../errors.ts'

/**
 * Bytes as text in a charset (default UTF-8). Throws `DECODE_FAILED` for bytes that are not text in it, and for an
 * unknown charset, instead of putting replacement characters in their place.
 */
export function decodeText(bytes: Uint8Array, charset = 'utf-8'): string {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (cause) {
    const message = `the event's bytes are not text in the charset ${charset}: ${String(cause)}`
    throw new BroadcasterError('DECODE_FAILED', message, { cause, value: charset })
  }
}
