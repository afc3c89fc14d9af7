import { type Option, type Refuse, UNSET } from './option-table.ts'

/** Names of members, in options of clients and of node:tls, that hold a credential. */
const CREDENTIALS = [
  ...['user', 'username', 'pass', 'password', 'token', 'authenticator'],
  ...['ca', 'cert', 'key', 'pfx', 'passphrase'],
]

/** It is a credential, and so may its members be: none of them may be given as undefined. */
export function credential<Given, Resolved>(one: Option<Given, Resolved>): Option<Given, Resolved> {
  return { ...withCredentials(one), credential: true }
}

/** Some of its members may be credentials: none of those may be given as undefined. */
export function withCredentials<Given, Resolved>(one: Option<Given, Resolved>): Option<Given, Resolved> {
  const read = (value: unknown, refuse: Refuse): Resolved => {
    const unset = unsetCredentials(value)
    for (const at of unset) refuse(UNSET, { at })
    return unset.length > 0 ? one.fallback : one.read(value, refuse)
  }
  return { ...one, read }
}

/** Where in an object, and in its `tls`, a credential is given as undefined: `.tls.key`. */
function unsetCredentials(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  const unset = CREDENTIALS.filter((name) => Object.hasOwn(value, name) && Reflect.get(value, name) === undefined)
  const inner = Object.hasOwn(value, 'tls') ? unsetCredentials(Reflect.get(value, 'tls')) : []
  return [...unset.map((name) => `.${name}`), ...inner.map((at) => `.tls${at}`)]
}
