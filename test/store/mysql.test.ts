import { after, describe, test } from 'node:test'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { Fixtures } from './mysql-place.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }
const cannot = { wake: 'MySQL cannot tell of commits; relays poll' }

describe('store on MariaDB', { skip: skipWithout('mariadb') }, () => {
  const fixtures = new Fixtures(servers.mariadb()?.url ?? '')
  after(() => fixtures.close())
  runConformance(runner, storeConformance, () => fixtures.next(), cannot)
})
