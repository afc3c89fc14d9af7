import type { ConnectionOptions } from 'node:tls'
import { credential } from './credential.ts'
import { option, secret } from './option-kinds.ts'
import type { Option } from './option-table.ts'

/** Whether a connection is encrypted, and how. */
export function tlsOption<const Fallback extends boolean | undefined>(
  fallback: Fallback,
): Option<boolean | ConnectionOptions, boolean | ConnectionOptions | Fallback> {
  return credential(
    secret(
      option('true, false, or options of node:tls', fallback as boolean | Fallback | ConnectionOptions, (value) => {
        return typeof value === 'boolean' || (typeof value === 'object' && value !== null)
      }),
    ),
  )
}
