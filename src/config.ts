import type { BroadcasterOptions } from './broadcaster-options.ts'
import type { Catalogue, NoCatalogue, UnlistedEvents } from './event/catalogue.ts'

/**
 * Types the options of a Broadcaster; returns them unchanged. `broadcaster.config.ts` exports them as default, for the
 * command `broadcaster` and the application, which both call `new Broadcaster(config)`.
 *
 * @example
 * export default defineConfig({
 *   store: postgres({ url: process.env.DATABASE_URL }),
 *   backends: { default: redisStreams({ url: process.env.REDIS_URL }) },
 * })
 */
export function defineConfig<
  StoreTx,
  Tx = StoreTx,
  Events extends Catalogue | NoCatalogue = NoCatalogue,
  Unlisted extends UnlistedEvents = 'refuse',
>(options: BroadcasterOptions<StoreTx, Tx, Events, Unlisted>): BroadcasterOptions<StoreTx, Tx, Events, Unlisted> {
  return options
}
