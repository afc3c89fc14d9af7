import type { Store } from '../store/store.ts'
import { type ActedBy, actorOf } from './actor.ts'
import type { Audit } from './audit-log.ts'
import { type OpenBreaker, openBreakersOf } from './status.ts'

/** The breakers that are open, for people. */
export class Breakers {
  readonly #coordination: Store['coordination']
  readonly #history: Store['history']
  readonly #names: () => readonly string[]
  readonly #audit: Audit

  /** `names`: the backends that are configured. */
  constructor(
    { coordination, history }: Pick<Store, 'coordination' | 'history'>,
    names: () => readonly string[],
    audit: Audit,
  ) {
    this.#coordination = coordination
    this.#history = history
    this.#names = names
    this.#audit = audit
  }

  async open(): Promise<readonly OpenBreaker[]> {
    const names = this.#names()
    const behind = names.map(async (backend) =>
      (await this.#coordination.destinations.list(backend)).map((one) => ({ backend, ...one })),
    )
    const [{ breakers }, destinations] = await Promise.all([this.#coordination.look(names), Promise.all(behind)])
    return openBreakersOf({ breakers, destinations: destinations.flat() })
  }

  close(backend: string, destination: string | undefined, acted: ActedBy): Promise<number> {
    const target = { backend, ...(destination !== undefined && { destination }) }
    return this.#audit.write(
      { what: 'close-breaker', target, ...acted },
      () => this.#close(backend, destination, actorOf(acted)),
      (closed = 0) => ({ moved: closed }),
    )
  }

  async #close(backend: string, destination: string | undefined, by: string): Promise<number> {
    const { breakers, destinations } = this.#coordination
    const tell = async (place: string, isClosed: boolean): Promise<boolean> => {
      // What was done is in the audit, too: it counts although this cannot be written.
      if (isClosed) await this.#history.closed({ backend, destination: place }, by).catch(() => undefined)
      return isClosed
    }
    const whole = destination === undefined && (await tell('', await breakers.close(backend)))
    const behind = await destinations.list(backend)
    const places = behind.filter((one) => destination === undefined || one.destination === destination)
    const closed = await Promise.all(
      places.map(async (one) => tell(one.destination, await destinations.close(backend, one.destination))),
    )
    return Number(whole) + closed.filter(Boolean).length
  }
}
