import { createClient } from '@libsql/client'
import { libsqlTransaction } from '../../../../src/store/sqlite/libsql-transaction.ts'
import { type OpenCell, savepointScope, walk } from '../cell.ts'

export const sqlite: OpenCell = async ({ path }) => {
  const client = createClient({ url: `file:${path}` })
  return {
    adapter: libsqlTransaction(),
    refused: { 'the client': client },
    async transact(work) {
      const tx = await client.transaction('write')
      try {
        await walk(work(savepointScope(tx, (sql) => tx.execute(sql))))
        await tx.commit()
      } finally {
        tx.close()
      }
    },
    close: () => client.close(),
  }
}
