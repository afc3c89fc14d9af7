import { MOST_TRANSACTIONS, type OpenTransaction, type ServerLook } from '../server-look.ts'
import type { Client } from './client.ts'
import { sql } from './sql.ts'

/** What the server reports. Others' transactions are visible only with the right PROCESS: without it none is listed. */
export async function inspectServer(client: Client, transactionAge: number): Promise<ServerLook> {
  const [row] = await client.query(sql`SELECT @@global.read_only AS readOnly`)
  const openTransactions = await openFor(client, transactionAge)
  return {
    readOnly: Number(row?.['readOnly']) !== 0,
    ...(openTransactions && { openTransactions }),
  }
}

async function openFor(client: Client, age: number): Promise<readonly OpenTransaction[] | undefined> {
  try {
    const rows = await client.query(sql`
SELECT x.trx_mysql_thread_id AS id, TIMESTAMPDIFF(MICROSECOND, x.trx_started, NOW(6)) / 1000 AS age,
  COALESCE(p.user, 'a session') AS user, COALESCE(p.command, '') AS command
FROM information_schema.innodb_trx AS x LEFT JOIN information_schema.processlist AS p ON p.id = x.trx_mysql_thread_id
WHERE x.trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) AND x.trx_started < NOW(6) - INTERVAL ${Math.round(age * 1_000)} MICROSECOND
ORDER BY x.trx_started LIMIT ${MOST_TRANSACTIONS}`)
    return rows.map((row) => ({
      who: `${String(row['user'])}, thread ${String(row['id'])}, ${String(row['command'])}`,
      age: Number(row['age']),
      end: `KILL ${String(row['id'])}`,
    }))
  } catch {
    return undefined
  }
}
