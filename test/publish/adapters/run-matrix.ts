import { after, describe, test } from 'node:test'
import { caughtErrorSuite } from './caught-error.ts'
import type { DatabaseName, Place } from './cell.ts'
import { databaseErrorSuite } from './database-error.ts'
import { latePublishSuite } from './late-publish.ts'
import { lateWriterSuite } from './late-writer.ts'
import { MATRIX } from './matrix.ts'
import { PLACES } from './place.ts'
import { adapterSuite } from './suite.ts'

/** Runs every adapter's cell of one database; those that are not there are skipped with their reason. */
export function runMatrix(database: DatabaseName): void {
  const { skip, open } = PLACES[database]
  const places: Promise<Place>[] = []
  // Each SQLite library brings a SQLite of its own, and two of them in one process may not have the same file.
  const sharedPlace = (): Promise<Place> => {
    const [shared] = database === 'sqlite' ? [] : places
    if (shared) return shared
    const place = open()
    places.push(place)
    return place
  }
  after(async () => {
    for (const place of places) await (await place).close()
  })
  for (const [adapter, cells] of Object.entries(MATRIX)) {
    const ways = cells[database]
    if (typeof ways === 'string') {
      test(`transactions/${adapter} on ${database}`, { skip: ways }, () => {})
      continue
    }
    describe(`transactions/${adapter} on ${database}`, () => {
      for (const [way, openCell] of Object.entries(ways)) {
        adapterSuite(way, openCell, open, skip)
        caughtErrorSuite(way, openCell, sharedPlace, skip)
        databaseErrorSuite(way, openCell, sharedPlace, skip)
        latePublishSuite(way, openCell, sharedPlace, skip)
        lateWriterSuite(way, openCell, sharedPlace, skip)
      }
    })
  }
}
