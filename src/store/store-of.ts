import type { StoreClients } from './clients.ts'
import type { RelayStore } from './relay-store.ts'
import { type SettleByOwner, settleInTransaction } from './settle-in-transaction.ts'
import type { PublishStore, SchemaStore, Store } from './store.ts'

/** Functions that make each member of `Seam` on a client. */
type Makers<Seam, Client, Tables> = { readonly [Name in keyof Seam]: (client: Client, t: Tables) => Seam[Name] }

/** The parts of a store that talks to a server. */
export interface StoreParts<Client, Runs, Tables>
  extends Makers<Omit<RelayStore, 'settleInTransaction'>, Client, Tables>,
    Makers<Pick<Store, 'coordination' | 'admin' | 'audit' | 'operations' | 'history' | 'inbox'>, Client, Tables> {
  publish(t: Tables): PublishStore
  /** `unlimited`: for what reads a whole table. */
  retention(client: Client, t: Tables, unlimited: Client): Store['retention']
  settleByOwner(t: Tables): SettleByOwner<Runs>
  schema(clients: StoreClients<Client, Runs>, t: Tables): SchemaStore
}

/** Makes a store from its parts, each on the client for its use, so that none waits for another. */
export function storeOf<Client, Runs, Tables>(
  parts: StoreParts<Client, Runs, Tables>,
  clients: StoreClients<Client, Runs>,
  t: Tables,
): Pick<
  Store,
  | 'publish'
  | 'relay'
  | 'retention'
  | 'coordination'
  | 'admin'
  | 'audit'
  | 'operations'
  | 'history'
  | 'inbox'
  | 'schema'
  | 'close'
> {
  const { worker, heartbeat, operator, migration, handlers } = clients
  const fetchFew = parts.fetchFew?.(worker, t)
  const writers = parts.writers?.(worker, t)
  return {
    publish: parts.publish(t),
    relay: {
      fetch: parts.fetch(worker, t),
      ...(fetchFew && { fetchFew }),
      fetchData: parts.fetchData(worker, t),
      lastSeq: parts.lastSeq(worker, t),
      ...(writers && { writers }),
      unpark: parts.unpark(worker, t),
      settle: parts.settle(worker, t),
      reconcile: parts.reconcile(worker, t),
      settleInTransaction: settleInTransaction(handlers, parts.settleByOwner(t)),
      waitingNames: parts.waitingNames(worker, t),
    },
    retention: parts.retention(worker, t, migration),
    coordination: parts.coordination(heartbeat, t),
    admin: parts.admin(operator, t),
    audit: parts.audit(operator, t),
    operations: parts.operations(operator, t),
    history: parts.history(operator, t),
    inbox: parts.inbox(worker, t),
    schema: parts.schema(clients, t),
    close: () => clients.close(),
  }
}
