import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Signs short texts and reads them back, so that a client can hold them and change none. */
export interface Signer {
  /** A text for a client: the value in base64url, a dot, and its signature. */
  sign(purpose: string, value: unknown): string
  /** The value; undefined for what was not signed for this purpose. */
  read(purpose: string, text: string): unknown
  /** A string of 32 characters that can only be made with the key. */
  mark(purpose: string, text: string): string
  /** The same in 16 hexadecimal digits, for people to see: it stands for a text, and no list of likely texts tells which. */
  hash(purpose: string, text: string): string
}

/** Longer strings are not even read. */
const LONGEST = 4_096

/** A signer with this key. */
export function signerOf(key: Uint8Array): Signer {
  const mark = (purpose: string, text: string): string =>
    createHmac('sha256', key).update(`${purpose}\0${text}`).digest('base64url').slice(0, 32)
  return {
    mark,
    hash: (purpose, text) => createHmac('sha256', key).update(`${purpose}\0${text}`).digest('hex').slice(0, 16),
    sign(purpose, value) {
      const body = Buffer.from(JSON.stringify(value)).toString('base64url')
      return `${body}.${mark(purpose, body)}`
    },
    read(purpose, text) {
      if (text.length > LONGEST) return undefined
      const [body = '', signature = '', ...more] = text.split('.')
      if (more.length > 0 || !isSame(signature, mark(purpose, body))) return undefined
      return JSON.parse(Buffer.from(body, 'base64url').toString()) as unknown
    },
  }
}

/** Whether two texts are the same; takes as long whatever they have in common. */
export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

/** The SHA-256 of a text. */
export function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
