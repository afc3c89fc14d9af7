import { pgliteTransaction } from '../../../../src/store/postgres/pglite.ts'
import { type OpenCell, savepointScope, walk } from '../cell.ts'

export const pglite: OpenCell = async ({ pglite: db }) => ({
  adapter: pgliteTransaction(),
  refused: { 'the instance': db },
  transact: (work) => db?.transaction((tx) => walk(work(savepointScope(tx, (sql) => tx.exec(sql))))),
  close() {},
})
