import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { type AdminHandlerOptions, adminHandler, toNodeListener } from 'ts-broadcaster/admin'
import { openChromium } from '../support/chromium.ts'
import { PLACED_STORES, type PlacedStore } from '../support/store-places.ts'
import { buildPages } from './built-pages.ts'
import { type FaultyProxy, faultyProxy } from './faulty-proxy.ts'
import { type PlantedOutbox, plantedOutbox } from './planted-outbox.ts'

export const TOKENS = {
  viewer: 'viewer-0123456789abcdef',
  operator: 'operator-0123456789abcdef',
  admin: 'admin-0123456789abcdef',
} as const

/** The pages on a real store, behind a proxy, in a real browser. */
export interface AdminPages extends PlantedOutbox {
  readonly browser: Browser
  readonly proxy: FaultyProxy
  readonly placed: PlacedStore
  close(): Promise<void>
}

interface Options {
  readonly kind?: 'sqlite' | 'postgres'
  readonly isEmpty?: boolean
  readonly more?: Omit<AdminHandlerOptions, 'token'>
}

export async function adminPages({ kind = 'sqlite', isEmpty = false, more = {} }: Options = {}): Promise<AdminPages> {
  await buildPages()
  const place = PLACED_STORES.find(({ name }) => name === kind)
  if (place === undefined) throw new Error(`no store ${kind}`)
  const placed = await place.open()
  await placed.store.schema.migrate()
  const planted = await plantedOutbox(placed.store, { isEmpty })
  const token = (['viewer', 'operator', 'admin'] as const).map((role) => ({ token: TOKENS[role], user: role, role }))
  const handler = adminHandler(planted.broadcaster, { showKeys: true, actionsPerMinute: 1_000, ...more, token })
  const server = createServer(toNodeListener(handler)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await faultyProxy((server.address() as AddressInfo).port)
  const browser = await openChromium()
  return {
    ...planted,
    browser,
    proxy,
    placed,
    async close() {
      await browser.close()
      await proxy.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      await planted.broadcaster.close()
      await placed.close()
    },
  }
}
