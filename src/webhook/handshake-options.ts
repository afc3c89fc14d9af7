import { duration, integer, option, required } from '../foundation/option-kinds.ts'
import type { OptionsOf, ResolvedOf } from '../foundation/option-table.ts'

export const WEBHOOK_HANDSHAKE = {
  /** Who we are, as a DNS name: `events.example.com`. One name for all our hosts; needed. */
  origin: required(
    option<string, string | undefined>('a DNS name such as events.example.com', undefined, (value) => {
      return typeof value === 'string' && value.length <= 253 && /^[a-z\d_-]{1,63}(\.[a-z\d_-]{1,63})*$/i.test(value)
    }),
  ),
  /** The rate that we ask for, in requests a minute. Default: none is asked for. */
  rate: integer(undefined, { min: 1, max: 999_999_999 }),
  /** How long a permission is valid before it is asked for again, in milliseconds. Default 3600000 (1 h). */
  renewAfter: duration(3_600_000, { min: 1, max: Number.MAX_SAFE_INTEGER }),
}
/** How permission is asked before events are posted (CloudEvents webhook handshake). */
export type WebhookHandshake = OptionsOf<typeof WEBHOOK_HANDSHAKE>
export type ResolvedHandshake = ResolvedOf<typeof WEBHOOK_HANDSHAKE>
