import { lookup as dnsLookup } from 'node:dns'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { type Agents, exchange, type HttpAnswer } from './exchange.ts'
import { isPrivateAddress, PrivateAddressError, publicLookup } from './private-networks.ts'

/** Where a request goes. `trusted`: the operator wrote the address; it may be in a private network. */
export interface RequestTarget {
  readonly url: URL
  readonly trusted: boolean
}

/** What is posted: the event's headers go wherever it goes, the user's only to the origin they are meant for. */
export interface Parcel {
  readonly eventHeaders: Readonly<Record<string, string>>
  readonly userHeaders: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

export interface ConnectionRules {
  readonly followRedirects: boolean
  readonly allowPrivateNetworks: boolean
  readonly tls: SecureContextOptions
  readonly lookup: LookupFunction | undefined
}

const MOST_REDIRECTS = 5
/** 303 asks for a GET and 300 for a choice: neither delivers an event. */
const REPOST: ReadonlySet<number> = new Set([301, 302, 307, 308])

/** The connections of one webhook backend, kept open between requests. */
export class HttpConnections {
  readonly #rules: ConnectionRules
  /** Kept connections are reused only for targets with the same checks and the same client certificate. */
  readonly #agents = new Map<string, Agents>()

  constructor(rules: ConnectionRules) {
    this.#rules = rules
  }

  /** Posts, and follows redirects where that is permitted. */
  async post(
    { url, trusted }: RequestTarget,
    parcel: Parcel,
    signal: AbortSignal,
  ): Promise<{ readonly answer: HttpAnswer; readonly url: URL }> {
    let at = url
    for (let redirects = 0; ; redirects++) {
      const home = at.origin === url.origin
      const answer = await exchange({
        method: 'POST',
        url: at,
        headers: { ...(home ? parcel.userHeaders : {}), ...parcel.eventHeaders },
        body: parcel.body,
        // Back at the operator's own origin, private networks are allowed again.
        agents: this.#agentsFor(at, trusted && home, home),
        signal,
      })
      if (!this.#rules.followRedirects || !REPOST.has(answer.status) || redirects === MOST_REDIRECTS)
        return { answer, url: at }
      const next = URL.parse(answer.headers['location'] ?? '', at.href)
      // Never from https to http: the event would travel in the clear.
      if (!next || !(next.protocol === 'https:' || next.protocol === at.protocol)) return { answer, url: at }
      at = next
    }
  }

  /** Asks without a body, and follows no redirect. */
  async ask(
    method: 'HEAD' | 'OPTIONS',
    { url, trusted }: RequestTarget,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    return exchange({ method, url, headers, body: null, agents: this.#agentsFor(url, trusted, true), signal })
  }

  close(): void {
    for (const { http, https } of this.#agents.values()) {
      http.destroy()
      https.destroy()
    }
  }

  /** `home`: the destination itself, not a redirect from it; only there our client certificate is shown. */
  #agentsFor({ hostname }: URL, trusted: boolean, home: boolean): Agents {
    const guarded = !trusted && !this.#rules.allowPrivateNetworks
    if (guarded && isPrivateAddress(hostname)) throw new PrivateAddressError(hostname, hostname)
    const name = `${guarded} ${home}`
    const known = this.#agents.get(name)
    if (known) return known
    const agents = this.#newAgents(guarded, home)
    this.#agents.set(name, agents)
    return agents
  }

  #newAgents(guarded: boolean, home: boolean): Agents {
    const { lookup, tls } = this.#rules
    const options = {
      keepAlive: true,
      keepAliveMsecs: 10_000,
      scheduling: 'lifo',
      ...(guarded ? { lookup: publicLookup(lookup ?? dnsLookup) } : lookup ? { lookup } : {}),
    } as const
    const secure = home ? tls : { ...tls, cert: undefined, key: undefined, pfx: undefined, passphrase: undefined }
    return { http: new HttpAgent(options), https: new HttpsAgent({ ...secure, ...options }) }
  }
}
