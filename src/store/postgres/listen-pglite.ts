import type { WakeStore } from '../store.ts'
import type { Client } from './client.ts'
import type { PgliteDatabase } from './pglite-client.ts'
import type { Tables } from './tables.ts'

/**
 * Wake-up on PGlite. It has one session, and a session never refuses itself a lock, so the relay says with a setting
 * that it waits.
 */
export function listenPglite(database: PgliteDatabase, client: Client, t: Tables): WakeStore {
  return {
    async listen(onWake) {
      const [row] = await client.query('SELECT $1::regclass::oid AS oid', [t.events])
      const oid = row?.['oid'] ?? ''
      const stop = await database.listen(`broadcaster_${oid}`, onWake)
      let ended = false
      const setArmed = async (armed: 'yes' | 'no'): Promise<void> => {
        await client.query('SELECT set_config($1, $2, false)', [`broadcaster.armed_${oid}`, armed])
      }
      return {
        async arm() {
          await setArmed('yes')
          return true
        },
        disarm: () => setArmed('no'),
        async close() {
          if (ended) return
          ended = true
          await setArmed('no')
          await stop()
        },
      }
    },
  }
}
