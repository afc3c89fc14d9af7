/** The bytes of a message's body, without a copy where they are bytes already; none for null. */
export function bodyBytes(body: string | Uint8Array | null): Buffer {
  if (body === null || typeof body === 'string') return Buffer.from(body ?? '')
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}
