import type { CoordinationStore } from '../coordination-store.ts'
import { breakers } from './breakers.ts'
import { claim } from './claim.ts'
import type { Database } from './database.ts'
import { destinations } from './destinations.ts'
import { enter } from './enter.ts'
import { leave } from './leave.ts'
import { quiet } from './quiet.ts'
import { release } from './release.ts'
import { renew } from './renew.ts'
import { survey } from './survey.ts'
import type { Tables } from './tables.ts'

/** Workers, lanes and breakers. `notify` wakes listeners of this process. */
export function sqliteCoordination(database: Database, t: Tables, notify: () => void): CoordinationStore {
  const run = {
    enter: enter(t),
    renew: renew(t),
    survey: survey(t),
    claim: claim(t),
    quiet: quiet(t),
    release: release(t),
    leave: leave(t),
    breakers: breakers(t),
    destinations: destinations(t),
  }
  return {
    enter: (worker) => database.write((db) => run.enter(db, worker)),
    renew: (workerId, lease) => database.write((db) => run.renew(db, workerId, lease)),
    async survey(backends) {
      if (await database.read(run.survey.hasExpired)) await database.write(run.survey.removeExpired)
      return database.read((db) => run.survey.read(db, backends))
    },

    async look(backends) {
      return database.read((db) => run.survey.read(db, backends))
    },
    async claim(workerId, lanes) {
      return lanes.length === 0 ? [] : database.write((db) => run.claim(db, workerId, lanes))
    },
    async quiet(workerId, lanes) {
      return lanes.length === 0 ? [] : database.write((db) => run.quiet(db, workerId, lanes))
    },
    async release(workerId, lanes) {
      if (lanes.length === 0) return
      await database.write((db) => run.release(db, workerId, lanes))
      notify()
    },
    async leave(workerId) {
      await database.write((db) => run.leave(db, workerId))
      notify()
    },
    breakers: {
      open: (backend, probeAfter, error) => database.write((db) => run.breakers.open(db, backend, probeAfter, error)),
      tryProbe: (backend, again) => database.write((db) => run.breakers.tryProbe(db, backend, again)),
      async postpone(backend, probeAfter, error) {
        await database.write((db) => run.breakers.postpone(db, backend, probeAfter, error))
      },
      close: (backend) => database.write((db) => run.breakers.close(db, backend)),
    },
    destinations: {
      list: (backend) => database.read((db) => run.destinations.list(db, backend)),
      open: (...given) => database.write((db) => run.destinations.open(db, ...given)),
      tryProbe: (...given) => database.write((db) => run.destinations.tryProbe(db, ...given)),
      async postpone(...given) {
        await database.write((db) => run.destinations.postpone(db, ...given))
      },
      close: (...given) => database.write((db) => run.destinations.close(db, ...given)),
    },
  }
}
