import { setTimeout as delay } from 'node:timers/promises'
import { createPool, type RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { startMariadb, startPostgres } from './database-process.ts'
import { SwitchingProxy } from './switching-proxy.ts'

/** A database with a copy that can take its place. */
export interface DatabasePair {
  /** Through an address that leads to whichever serves. */
  readonly store: Store
  /** Kills the first; or makes it read-only, alive, with every connection that it has. Then the copy serves. */
  failOver(how: 'killed' | 'demoted'): Promise<void>
  close(): Promise<void>
}

export async function postgresPair(): Promise<DatabasePair> {
  // A commit is answered when the standby has it.
  const first = await startPostgres(['wal_level=replica', 'max_wal_senders=4'])
  const second = await startPostgres([], first.port)
  const admin = (port: number): Pool => {
    const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 2 })
    pool.on('error', () => undefined)
    return pool
  }
  const [ofFirst, ofSecond] = [admin(first.port), admin(second.port)]
  await ofFirst.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
  await ofFirst.query('SELECT pg_reload_conf()')
  const proxy = await SwitchingProxy.to(first.port)
  const pool = new Pool({ host: '127.0.0.1', port: proxy.port, user: 'postgres', database: 'postgres' })
  return {
    store: postgres({ pool, schema: 'outbox' }) as Store,
    async failOver(how) {
      if (how === 'killed') first.kill()
      else {
        await ofFirst.query('ALTER SYSTEM SET default_transaction_read_only = on')
        await ofFirst.query('SELECT pg_reload_conf()')
        await delay(200)
        const { rows } = await ofFirst.query('SELECT pg_current_wal_lsn() AS lsn')
        for (let isThere = false; !isThere; ) {
          const got = await ofSecond.query('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [rows[0].lsn])
          isThere = got.rows[0].there
        }
      }
      await ofSecond.query('SELECT pg_promote()')
      proxy.target = second.port
    },
    async close() {
      await Promise.all([pool.end(), ofFirst.end(), ofSecond.end()])
      await proxy.close()
      await Promise.all([first.close(), second.close()])
    },
  }
}

export async function mariadbPair(): Promise<DatabasePair> {
  // A commit is answered when the replica has it.
  const replication = ['--log-bin=bin', '--rpl-semi-sync-master-timeout=60000']
  const first = await startMariadb(['--server-id=1', '--rpl-semi-sync-master-enabled=1', ...replication])
  const second = await startMariadb([
    '--server-id=2',
    '--rpl-semi-sync-slave-enabled=1',
    '--read-only=1',
    '--log-slave-updates=1',
    ...replication,
  ])
  const admin = (port: number) => createPool({ host: '127.0.0.1', port, user: 'root', connectionLimit: 2 })
  const [ofFirst, ofSecond] = [admin(first.port), admin(second.port)]
  await ofSecond.query(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${first.port}, MASTER_USER='root', MASTER_USE_GTID=slave_pos`,
  )
  await ofSecond.query('START SLAVE')
  await ofFirst.query('CREATE DATABASE shop')
  // Read-only is for those without the right to write all the same.
  await ofFirst.query(`CREATE USER app@'%' IDENTIFIED BY 'app'`)
  await ofFirst.query(`GRANT ALL ON shop.* TO app@'%'`)
  const proxy = await SwitchingProxy.to(first.port)
  const pool = createPool(`mysql://app:app@127.0.0.1:${proxy.port}/shop`)
  const isApplied = async (): Promise<boolean> => {
    const [rows] = await ofSecond.query<RowDataPacket[]>('SHOW SLAVE STATUS')
    return /has read all relay log/i.test(String(rows[0]?.['Slave_SQL_Running_State']))
  }
  return {
    store: mysql({ pool }) as Store,
    async failOver(how) {
      if (how === 'killed') first.kill()
      else await ofFirst.query('SET GLOBAL read_only = 1')
      await delay(200)
      while (!(await isApplied())) await delay(50)
      await ofSecond.query('STOP SLAVE')
      await ofSecond.query('SET GLOBAL read_only = 0')
      proxy.target = second.port
    },
    async close() {
      await pool.end().catch(() => undefined)
      await Promise.all([ofFirst.end().catch(() => undefined), ofSecond.end()])
      await proxy.close()
      await Promise.all([first.close(), second.close()])
    },
  }
}
