import { prefixOf, requireNames, type TableNames, tableNames } from '../table-names.ts'
import { Sql } from './sql.ts'

/** The tables of one outbox, quoted and qualified for use in SQL text, and the indexes that queries name. */
export interface Tables extends TableNames<Sql> {
  /** The procedure that SQL publishes by. */
  readonly publish: Sql
  /** Indexes of the events table: work to do, insertion order, and the identity of events. */
  readonly index: { readonly work: Sql; readonly seq: Sql; readonly identity: Sql }
}

/** MySQL allows names of 64 characters; our longest suffix has 11. */
const LONGEST = 53

/** Throws `INVALID_OPTION` for a name that is not a plain identifier of at most 53 characters. */
export function tablesOf(table: string, database: string | undefined): Tables {
  requireNames('mysql()', LONGEST, { table, database })
  const qualified = (name: string): Sql =>
    new Sql(database === undefined ? `\`${name}\`` : `\`${database}\`.\`${name}\``)
  const index = (suffix: string): Sql => new Sql(`\`${table}_${suffix}\``)
  return {
    ...tableNames(table, qualified),
    publish: qualified(`${prefixOf(table)}_publish`),
    index: { work: index('work'), seq: index('seq'), identity: index('identity') },
  }
}
