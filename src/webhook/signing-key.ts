import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { decodeBase64, isBase64 } from '../event/base64.ts'

/** What signs: `v1` is HMAC-SHA256 with a shared secret, `v1a` is ed25519 with a private key. */
export type SigningKey =
  | { readonly scheme: 'v1'; readonly secret: Uint8Array }
  | { readonly scheme: 'v1a'; readonly privateKey: KeyObject }

/** What a receiver checks with: the same secret, or the public key. */
export type VerifyingKey =
  | { readonly scheme: 'v1'; readonly secret: Uint8Array }
  | { readonly scheme: 'v1a'; readonly publicKey: KeyObject }

/** What is wrong with a key, continuing its name; it never shows the key. */
export interface KeyProblem {
  readonly problem: string
}

/** Secrets of Standard Webhooks are 24 to 64 bytes. */
const SECRET = { least: 24, most: 64 } as const
/** The bytes before the 32 of an ed25519 key in DER (RFC 8410): PKCS #8 and SubjectPublicKeyInfo. */
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex')

const UNSET: KeyProblem = { problem: 'is undefined (is the environment variable set?)' }

/** Reads a key to sign with: `whsec_...` or `whsk_...`. */
export function readSigningKey(text: unknown): SigningKey | KeyProblem {
  if (text === undefined) return UNSET
  const { prefix, bytes } = parts(text)
  if (prefix === 'whsec_') return readSecret(bytes)
  if (prefix === 'whsk_') return readPrivateKey(bytes)
  if (prefix === 'whpk_')
    return { problem: 'is a public key (whpk_), which cannot sign; give the private key, whsk_...' }
  return { problem: 'must begin with whsec_ (a shared secret) or whsk_ (an ed25519 private key)' }
}

/** Reads a key to verify with: `whsec_...` or `whpk_...`. */
export function readVerifyingKey(text: unknown): VerifyingKey | KeyProblem {
  if (text === undefined) return UNSET
  const { prefix, bytes } = parts(text)
  if (prefix === 'whsec_') return readSecret(bytes)
  if (prefix === 'whpk_') return readPublicKey(bytes)
  if (prefix === 'whsk_') {
    return { problem: "is the sender's private key (whsk_), which a receiver must not have; give whpk_..." }
  }
  return { problem: 'must begin with whsec_ (a shared secret) or whpk_ (an ed25519 public key)' }
}

function parts(text: unknown): { readonly prefix: string; readonly bytes: Uint8Array | undefined } {
  const found = typeof text === 'string' ? /^(wh[a-z]+_)(.*)$/s.exec(text) : null
  const [, prefix = '', encoded = ''] = found ?? []
  return { prefix, bytes: encoded !== '' && isBase64(encoded) ? decodeBase64(encoded) : undefined }
}

const NOT_BASE64: KeyProblem = { problem: 'is not Base64 (RFC 4648, with padding) after its prefix' }

function readSecret(secret: Uint8Array | undefined): (SigningKey & VerifyingKey) | KeyProblem {
  if (!secret) return NOT_BASE64
  const { length } = secret
  if (length >= SECRET.least && length <= SECRET.most) return { scheme: 'v1', secret }
  return { problem: `is a secret of ${length} bytes; it must be ${SECRET.least} to ${SECRET.most} random bytes` }
}

/** The seed alone, or the seed and the public key behind it, as libsodium has it. */
function readPrivateKey(bytes: Uint8Array | undefined): SigningKey | KeyProblem {
  if (!bytes) return NOT_BASE64
  if (bytes.length !== 32 && bytes.length !== 64) {
    return { problem: `is a private key of ${bytes.length} bytes; an ed25519 key has 32, or 64 with its public key` }
  }
  const der = Buffer.concat([PRIVATE_DER, bytes.subarray(0, 32)])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  if (bytes.length === 64) {
    const own = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(PUBLIC_DER.length)
    if (!own.equals(bytes.subarray(32))) return { problem: 'is a private key whose second half is not its public key' }
  }
  return { scheme: 'v1a', privateKey }
}

function readPublicKey(bytes: Uint8Array | undefined): VerifyingKey | KeyProblem {
  if (!bytes) return NOT_BASE64
  if (bytes.length !== 32) return { problem: `is a public key of ${bytes.length} bytes; an ed25519 key has 32` }
  const der = Buffer.concat([PUBLIC_DER, bytes])
  return { scheme: 'v1a', publicKey: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}
