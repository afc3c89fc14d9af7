import { describe, test } from 'node:test'
import type { DatabaseName } from './cell.ts'
import { MATRIX } from './matrix.ts'
import { PLACES } from './place.ts'
import { adapterSuite } from './suite.ts'

/** Runs every adapter's cell of one database; those that are not there are skipped with their reason. */
export function runMatrix(database: DatabaseName): void {
  const { skip, open } = PLACES[database]
  for (const [adapter, cells] of Object.entries(MATRIX)) {
    const ways = cells[database]
    if (typeof ways === 'string') {
      test(`transactions/${adapter} on ${database}`, { skip: ways }, () => {})
      continue
    }
    describe(`transactions/${adapter} on ${database}`, () => {
      for (const [way, openCell] of Object.entries(ways)) adapterSuite(way, openCell, open, skip)
    })
  }
}
