import { describe, test } from 'node:test'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { postgresFixture } from './postgres-place.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }

describe('store on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  runConformance(runner, storeConformance, () => postgresFixture(servers.postgres()?.url ?? ''))
})
