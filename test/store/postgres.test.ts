import { after, describe, test } from 'node:test'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { Fixtures } from './postgres-place.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }

for (const { name, title } of POSTGRES_SERVERS) {
  describe(`store on ${title}`, { skip: skipWithout(name) }, () => {
    const fixtures = new Fixtures(servers[name]()?.url ?? '')
    after(() => fixtures.close())
    runConformance(runner, storeConformance, () => fixtures.next())
  })
}
