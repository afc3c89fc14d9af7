import type { DatabaseSync } from 'node:sqlite'
import type { Broadcaster } from '../../broadcaster.ts'
import type { NodeSqliteTransaction } from '../../store/sqlite/sync-transaction.ts'

const CUSTOMERS = ['ada', 'grace', 'edsger', 'barbara', 'alan']

class CardDeclinedError extends Error {}

/** A shop whose orders and events are written in one transaction, on its own connection to the database file. */
export class Shop {
  readonly #database: DatabaseSync
  readonly #broadcaster: Broadcaster<NodeSqliteTransaction>
  #orders = 0
  committed = 0
  rolledBack = 0

  constructor(database: DatabaseSync, broadcaster: Broadcaster<NodeSqliteTransaction>) {
    this.#database = database
    this.#broadcaster = broadcaster
    database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL)')
  }

  /** Takes `count` orders, one transaction each; every third card is declined, and its transaction rolled back. */
  async takeOrders(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const order = ++this.#orders
      const customer = CUSTOMERS[order % CUSTOMERS.length] ?? 'ada'
      await this.#takeOrder(order, customer, order % 3 === 0)
    }
  }

  async #takeOrder(order: number, customer: string, declined: boolean): Promise<void> {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      this.#database.prepare('INSERT INTO orders VALUES (?, ?, ?)').run(order, customer, 'placed')
      await this.#publish('order.placed', order, customer)
      if (declined) throw new CardDeclinedError(`the card of ${customer} was declined`)
      await this.#publish('order.paid', order, customer)
      this.#database.prepare('UPDATE orders SET status = ? WHERE id = ?').run('paid', order)
      this.#database.exec('COMMIT')
      this.committed++
    } catch (error) {
      this.#database.exec('ROLLBACK')
      if (!(error instanceof CardDeclinedError)) throw error
      this.rolledBack++
    }
  }

  async #publish(type: string, order: number, customer: string): Promise<void> {
    await this.#broadcaster.publish(this.#database, {
      type,
      source: '/shop/orders',
      subject: `order-${order}`,
      data: { order, customer },
      partitionKey: customer,
    })
  }
}
