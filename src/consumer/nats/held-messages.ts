type JsMsg = import('@nats-io/jetstream').JsMsg

/** A message that the server counts as ours. */
export interface HeldMessage {
  readonly message: JsMsg
  /** Where acknowledgements go: the address of the last time it was handed to us. */
  reply: string
  /** Monotonic; until then the server will surely not hand it to somebody else. */
  safeUntil: number
  readonly lost: AbortController
}

/** What is in hand, by its number in the stream, and until when the server knows that we are alive. */
export class HeldMessages {
  readonly #held = new Map<number, HeldMessage>()

  /** Undefined for one that is in hand already: it is still ours, under its newest address. */
  add(message: JsMsg, safeUntil: number): HeldMessage | undefined {
    const reply = replyOf(message)
    const known = this.#held.get(message.seq)
    if (known) {
      known.reply = reply
      known.safeUntil = safeUntil
      return undefined
    }
    const held: HeldMessage = { message, reply, safeUntil, lost: new AbortController() }
    this.#held.set(message.seq, held)
    return held
  }

  /** Whether it was in hand. */
  remove(held: HeldMessage): boolean {
    return this.#held.get(held.message.seq) === held && this.#held.delete(held.message.seq)
  }

  all(): readonly HeldMessage[] {
    return [...this.#held.values()]
  }

  /** Forgets what may be somebody else's by now. */
  dropLost(now: number): void {
    for (const held of this.all()) {
      if (held.safeUntil > now) continue
      this.remove(held)
      held.lost.abort()
    }
  }
}

/** The client has it, and does not say so in its types. */
function replyOf(message: JsMsg): string {
  return 'reply' in message && typeof message.reply === 'string' ? message.reply : ''
}
