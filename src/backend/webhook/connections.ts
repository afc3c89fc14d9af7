import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type Agents, type Answer, exchange } from './exchange.ts'
import { isPrivateAddress, PrivateAddressError, publicLookup } from './private-networks.ts'

/** What is posted: the event's own headers go wherever it goes, the user's only to the origin they were meant for. */
export interface Message {
  readonly eventHeaders: Readonly<Record<string, string>>
  readonly userHeaders: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

export interface PostRules {
  readonly followRedirects: boolean
  readonly allowPrivateNetworks: boolean
}

const MOST_REDIRECTS = 5
/** 303 asks for a GET, and 300 for a choice: neither delivers an event. */
const REPOST: ReadonlySet<number> = new Set([301, 302, 307, 308])

/** The connections of one webhook backend, kept open between requests. */
export class Connections {
  /** For addresses that the operator wrote. */
  readonly #free: Agents
  /** For addresses from elsewhere; a kept connection of the other kind is never used for them. */
  readonly #guarded: Agents

  constructor() {
    const options = { keepAlive: true, keepAliveMsecs: 10_000, scheduling: 'lifo' } as const
    this.#free = { http: new HttpAgent(options), https: new HttpsAgent(options) }
    const guarded = { ...options, lookup: publicLookup }
    this.#guarded = { http: new HttpAgent(guarded), https: new HttpsAgent(guarded) }
  }

  /** Posts a message, and follows redirects where that is permitted. `trusted`: the operator wrote the address. */
  async post(
    url: URL,
    message: Message,
    rules: PostRules,
    trusted: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly answer: Answer; readonly url: URL }> {
    let at = url
    let guard = !trusted && !rules.allowPrivateNetworks
    for (let redirects = 0; ; redirects++) {
      if (guard && isPrivateAddress(at.hostname)) throw new PrivateAddressError(at.hostname, at.hostname)
      const answer = await exchange({
        method: 'POST',
        url: at,
        headers: { ...(at.origin === url.origin ? message.userHeaders : {}), ...message.eventHeaders },
        body: message.body,
        agents: guard ? this.#guarded : this.#free,
        signal,
      })
      if (!rules.followRedirects || !REPOST.has(answer.status) || redirects === MOST_REDIRECTS)
        return { answer, url: at }
      const next = URL.parse(answer.headers['location'] ?? '', at.href)
      // Never from https to http: the event would travel in the open.
      if (!next || !(next.protocol === 'https:' || next.protocol === at.protocol)) return { answer, url: at }
      at = next
      // Back at the operator's own origin it may be in a private network again.
      guard = !rules.allowPrivateNetworks && !(trusted && at.origin === url.origin)
    }
  }

  /** Whether anything at an address answers HTTP at all, whatever it says. */
  head(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    return exchange({ method: 'HEAD', url, headers, body: null, agents: this.#free, signal })
  }

  close(): void {
    for (const { http, https } of [this.#free, this.#guarded]) {
      http.destroy()
      https.destroy()
    }
  }
}
