import { after, describe, test } from 'node:test'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { Fixtures } from './postgres-place.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }

for (const name of ['postgres', 'postgres18'] as const) {
  describe(`store on ${name} with a partitioned table`, { skip: skipWithout(name) }, () => {
    const url = servers[name]()?.url ?? ''
    const fixtures = new Fixtures(url, url, true)
    after(() => fixtures.close())
    runConformance(runner, storeConformance, () => fixtures.next())
  })
}
