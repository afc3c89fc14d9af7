import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { BroadcasterOptions } from '../../src/broadcaster-options.ts'
import { type SqliteTransaction, sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal, type SignalMessage, type SignalName } from '../../src/telemetry/signals.ts'

/** An outbox in a SQLite file of its own, as the rows of `docs/from-django.md` are shown on it. */
export interface OpenOutbox {
  readonly broadcaster: Broadcaster<SqliteTransaction>
  /** Another connection to the file, as an application has one. */
  readonly database: DatabaseSync
  readonly path: string
  /** Resolves with the first `count` messages of a signal, heard from now on. */
  heard<Name extends SignalName>(name: Name, count: number): Promise<readonly SignalMessage<Name>[]>
}

export async function openOutbox(
  t: TestContext,
  options: Omit<BroadcasterOptions<SqliteTransaction>, 'store' | 'name'>,
  alter: (store: Store<SqliteTransaction>) => Store<SqliteTransaction> = (store) => store,
): Promise<OpenOutbox> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-parity-'))
  const path = join(folder, 'outbox.db')
  const name = `parity-${randomUUID()}`
  const broadcaster = new Broadcaster({ ...options, store: alter(sqlite({ path })), name })
  await broadcaster.store.schema.migrate()
  const database = new DatabaseSync(path)
  const stops: (() => void)[] = []
  t.after(async () => {
    for (const stop of stops) stop()
    database.close()
    await broadcaster.close()
    rmSync(folder, { recursive: true })
  })
  return {
    broadcaster,
    database,
    path,
    heard<Name extends SignalName>(signal: Name, count: number) {
      const messages: SignalMessage<Name>[] = []
      const all = Promise.withResolvers<readonly SignalMessage<Name>[]>()
      stops.push(
        onSignal(signal, (message) => {
          if (message.outbox === name && messages.push(message) === count) all.resolve([...messages])
        }),
      )
      return all.promise
    },
  }
}
