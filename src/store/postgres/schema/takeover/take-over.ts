import { patiently, type TakeOverOptions } from '../../../patient-lock.ts'
import type { Client, ClientTransaction } from '../../client.ts'
import type { Tables } from '../../tables.ts'
import { buildIndex } from './build-index.ts'
import { recognise } from './recognise.ts'
import { type TakeOverStep, takeOverSteps, takeOverTable } from './steps.ts'

/** Whether the events table is there without a record of ours: Django's, or a take-over that was interrupted. */
export async function isForeign(on: Pick<Client, 'query'>, t: Tables): Promise<boolean> {
  // Naming pg_class makes this session see tables made by others: by itself to_regclass answers from a cache.
  const [found] = await on.query(
    `SELECT to_regclass($1) AS events, to_regclass($2) AS migrations FROM pg_catalog.pg_class LIMIT 1`,
    [t.events, t.migrations],
  )
  return found?.['events'] != null && found['migrations'] == null
}

/** The lock that all migrations of an outbox take. */
export async function lockMigrations(tx: ClientTransaction, t: Tables): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`ts-broadcaster migrate ${t.events}`])
}

/**
 * Takes over a table that Django made, step by step. An interrupted one goes on where it stopped, and two at once share
 * the work. Throws `TAKEOVER_REFUSED` before anything is changed, and `STORE_BUSY` when the table cannot be locked.
 */
export async function takeOver(
  client: Client,
  t: Tables,
  options: TakeOverOptions & { readonly lanes: number },
): Promise<void> {
  if (!(await begins(client, t))) return
  const say = options.onProgress ?? (() => undefined)
  for (;;) {
    const lanes = await lanesOf(client, t, options.lanes)
    const steps = takeOverSteps(t, lanes)
    const done = await stepsDone(client, t)
    const step = steps[done]
    if (step === undefined) return
    say(step.name)
    try {
      await run(client, t, step, done, options)
    } catch (error) {
      // Another process that shares the work may have done this step meanwhile, and what it needed is gone.
      if ((await stepsDone(client, t)) <= done) throw error
    }
  }
}

/** Decided under the lock: another process may just be making the outbox, and then there is nothing to take over. */
async function begins(client: Client, t: Tables): Promise<boolean> {
  return client.transaction(async (tx) => {
    await lockMigrations(tx, t)
    if (!(await isForeign(tx, t))) return false
    await recognise(tx, t)
    return true
  })
}

/** Fixed by the first step. */
async function lanesOf(client: Client, t: Tables, lanes: number): Promise<number> {
  const [found] = await client.query('SELECT to_regclass($1) AS settings', [t.settings])
  if (found?.['settings'] == null) return lanes
  const [row] = await client.query(`SELECT lanes FROM ${t.settings}`)
  return row === undefined ? lanes : Number(row['lanes'])
}

/** How many steps are done; more than there are when another process has finished. */
async function stepsDone(on: Pick<Client, 'query'>, t: Tables): Promise<number> {
  if (!(await isForeign(on, t))) return Number.POSITIVE_INFINITY
  const [found] = await on.query('SELECT to_regclass($1) AS state', [takeOverTable(t)])
  if (found?.['state'] == null) return 0
  try {
    const [row] = await on.query(`SELECT done FROM ${takeOverTable(t)}`)
    return Number(row?.['done'] ?? 0)
  } catch (error) {
    // Another process finished between the two looks, and dropped it.
    if (!(await isForeign(on, t))) return Number.POSITIVE_INFINITY
    throw error
  }
}

async function run(client: Client, t: Tables, step: TakeOverStep, n: number, options: TakeOverOptions): Promise<void> {
  const done = `UPDATE ${takeOverTable(t)} SET done = ${n + 1} WHERE done = ${n}`
  switch (step.how) {
    case 'transaction':
      return inTurn(client, t, options, async (tx) => {
        await lockMigrations(tx, t)
        if ((await stepsDone(tx, t)) !== n) return
        await tx.script(step.sql)
        if (await isForeign(tx, t)) await tx.query(done)
      })
    case 'batches': {
      let total = 0
      for (let count = -1; count !== 0; total += count) {
        if (total > 0) options.onProgress?.(`${total} rows so far`)
        count = await inTurn(client, t, options, async (tx) => {
          await lockMigrations(tx, t)
          if ((await stepsDone(tx, t)) !== n) return 0
          return Number((await tx.query(step.sql))[0]?.['count'] ?? 0)
        })
      }
      break
    }
    case 'index':
      await buildIndex(client, t.named(step.index.suffix), step.sql)
      break
    case 'alone':
      await client.query(step.sql)
  }
  await client.query(done)
}

/** Runs a short transaction that waits 200 ms for its locks, again and again. */
async function inTurn<T>(
  client: Client,
  t: Tables,
  { lockWait = 200, lockPause = 800, patience = 300_000 }: TakeOverOptions,
  work: (tx: ClientTransaction) => Promise<T>,
): Promise<T> {
  const step = (): Promise<T> =>
    client.transaction(async (tx) => {
      await tx.query(`SELECT set_config('lock_timeout', $1, true)`, [`${lockWait}ms`])
      return work(tx)
    })
  return patiently(step, lockPause, patience, async () => {
    const rows = await client.query(
      `SELECT DISTINCT l.pid::text AS pid FROM pg_locks AS l WHERE l.relation = to_regclass($1) AND l.granted
AND l.pid <> pg_backend_pid()`,
      [t.events],
    )
    const holders = rows.map(({ pid }) => pid).join(', ') || 'nobody just now'
    return `${t.events.replaceAll('"', '')} could not be locked for ${patience / 1000} s (held by the server processes: ${holders}); let their transactions end and run \`broadcaster migrate\` again: it goes on where it stopped`
  })
}
