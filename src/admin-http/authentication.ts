import { randomBytes } from 'node:crypto'
import { describeKind } from '../foundation/describe-kind.ts'
import { type AdminUser, isAdminUser } from './admin-user.ts'
import { ApiError } from './api-problem.ts'
import type { AdminSettings } from './options.ts'
import { addressOf, isHttps, requireThisMachine } from './origin.ts'
import { type MinuteLimit, rateLimit } from './rate-limit.ts'
import { digest, isSame, type Signer } from './signed.ts'

/** A user who is logged in. */
export interface Visitor extends AdminUser {
  /** Differs for each login. */
  readonly session: string
  /** Whether a browser may have sent the credentials by itself, for a page of another site. */
  readonly needsCsrf: boolean
  /** When a session ends by itself, in ms since the epoch. Absent: never. */
  readonly until?: number
}

/** Says who asks. */
export interface Authentication {
  readonly login: 'token' | 'basic' | 'host' | 'none'
  /** Who it is; null = nobody; a `Response` of the host's goes back as it is. Throws `ApiError` for what is not a login. */
  visitor(request: Request): Promise<Visitor | Response | null>
  /** The header `set-cookie` of a login. Throws `ApiError`. */
  logIn(request: Request, token: unknown): string
  /** The header `set-cookie` that ends a session. */
  logOut(visitor: Visitor | null): string
  /** Whether a visitor's session has not ended. */
  isStillIn(visitor: Visitor): boolean
  /** What the header `x-csrf` has to hold. */
  csrfOf(visitor: Visitor): string
}

const COOKIE = 'broadcaster-admin'
/** Logins that failed, in a minute: of one address, and of all. */
const FAILURES = [10, 200] as const
/** Sessions that were ended by hand and are remembered until they end by themselves. */
const ENDED = 10_000
const CSRF = 'csrf'
const SESSION = 'session'

/** By the settings. */
export function authentication(settings: AdminSettings, signer: Signer): Authentication {
  return new Gate(settings, signer)
}

/** Who has a token, or a name and a password. */
interface Holder extends AdminUser {
  readonly proof: string
}

class Gate implements Authentication {
  readonly login: Authentication['login']
  readonly #settings: AdminSettings
  readonly #signer: Signer
  readonly #holders: readonly Holder[]
  readonly #failures: MinuteLimit = rateLimit(...FAILURES)
  readonly #ended = new Set<string>()

  constructor(settings: AdminSettings, signer: Signer) {
    const { token, basic, authenticate } = settings
    this.#settings = settings
    this.#signer = signer
    this.login = token.length > 0 ? 'token' : basic.length > 0 ? 'basic' : authenticate ? 'host' : 'none'
    this.#holders = [
      ...token.map(({ token: proof, user, role }) => ({ proof, user, role })),
      ...basic.map(({ user, password, role }) => ({ proof: `${user}:${password}`, user, role })),
    ]
  }

  async visitor(request: Request): Promise<Visitor | Response | null> {
    const [scheme = '', proof = ''] = (request.headers.get('authorization') ?? '').split(' ', 2)
    switch (this.login) {
      case 'none':
        requireThisMachine(request)
        return { user: 'local', role: 'admin', session: '', needsCsrf: true }
      case 'host':
        return this.#askHost(request)
      case 'basic': {
        if (scheme.toLowerCase() !== 'basic') return null
        const holder = this.#holderOf(request, Buffer.from(proof, 'base64').toString())
        return holder && { ...holder, session: '', needsCsrf: true }
      }
      case 'token': {
        if (scheme.toLowerCase() !== 'bearer') return this.#fromCookie(request)
        const holder = this.#holderOf(request, proof)
        return holder && { ...holder, session: '', needsCsrf: false }
      }
    }
  }

  logIn(request: Request, token: unknown): string {
    if (this.login !== 'token') throw new ApiError('NOT_FOUND', 'There is no login with a token here.')
    const holder = typeof token === 'string' ? this.#holderOf(request, token) : null
    if (holder === null) throw new ApiError('UNAUTHENTICATED', 'This is not one of the tokens.', { field: 'token' })
    const { sessionTime, secureCookie } = this.#settings
    const until = Date.now() + sessionTime
    const session = randomBytes(12).toString('base64url')
    const value = this.#signer.sign(SESSION, [this.#nameOf(holder), session, until])
    const secure = secureCookie ?? isHttps(request, this.#settings.trustProxy)
    return cookie(value, Math.floor(sessionTime / 1_000), secure)
  }

  logOut(visitor: Visitor | null): string {
    if (visitor !== null && visitor.session !== '') this.#ended.add(visitor.session)
    const [oldest] = this.#ended.size > ENDED ? this.#ended : []
    if (oldest !== undefined) this.#ended.delete(oldest)
    return cookie('', 0, this.#settings.secureCookie ?? false)
  }

  isStillIn({ session, until = Number.POSITIVE_INFINITY }: Visitor): boolean {
    return !this.#ended.has(session) && until > Date.now()
  }

  csrfOf({ user, session }: Visitor): string {
    return this.#signer.mark(CSRF, JSON.stringify([user, session]))
  }

  /** By what proves it; null = nobody. Looks at all, so that time tells nothing. Throws `TOO_MANY` after too many failures. */
  #holderOf(request: Request, proof: string): AdminUser | null {
    const from = addressOf(request, this.#settings.trustProxy) ?? ''
    const wait = this.#failures.look(from)
    if (wait > 0) throw new ApiError('TOO_MANY', 'Too many tries to log in failed; wait.', { retryAfter: wait })
    let found: AdminUser | null = null
    for (const { proof: right, user, role } of this.#holders) {
      if (isSame(proof, right)) found = { user, role }
    }
    if (found === null) this.#failures.take(from)
    return found
  }

  /** Names the holder of a token, without showing it; a token that is changed ends its sessions. */
  #nameOf({ user, role }: AdminUser): string {
    const own = this.#holders.find((one) => one.user === user && one.role === role)
    return this.#signer.mark('holder', JSON.stringify([own?.proof, user, role]))
  }

  #fromCookie(request: Request): Visitor | null {
    const header = request.headers.get('cookie') ?? ''
    const values = header
      .split(/; */)
      .flatMap((pair) => (pair.startsWith(`${COOKIE}=`) ? [pair.slice(COOKIE.length + 1)] : []))
    for (const value of values) {
      const read = this.#signer.read(SESSION, value)
      if (!Array.isArray(read)) continue
      const [name, session, until] = read as readonly unknown[]
      const holder = this.#holders.find((one) => this.#nameOf(one) === name)
      if (holder === undefined || typeof session !== 'string' || !(Number(until) > Date.now())) continue
      if (this.#ended.has(session)) continue
      return { user: holder.user, role: holder.role, session, needsCsrf: true, until: Number(until) }
    }
    return null
  }

  async #askHost(request: Request): Promise<Visitor | Response | null> {
    const told: unknown = await this.#settings.authenticate?.(request)
    if (told === null || told instanceof Response) return told
    if (isAdminUser(told)) return { user: told.user, role: told.role, session: '', needsCsrf: true }
    const message = `adminHandler(): authenticate gave ${describeKind(told)}; give { user, role }, null or a Response`
    throw new TypeError(message)
  }
}

/**
 * Without a path, the browser keeps it for the folder of the call that set it, `<base>/api/`: for nothing else, and whatever comes
 * before that behind a proxy.
 */
function cookie(value: string, maxAge: number, secure: boolean): string {
  return `${COOKIE}=${value}; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
}

/** What signs, where no secret was given: the same in each process with the same tokens. */
export function signingKey({ secret, token, basic }: AdminSettings): Uint8Array {
  if (secret !== undefined) return digest(`admin secret ${secret}`)
  const proofs = [...token.map((one) => one.token), ...basic.map(({ user, password }) => `${user}:${password}`)]
  return proofs.length > 0 ? digest(`admin proofs ${JSON.stringify(proofs)}`) : randomBytes(32)
}
