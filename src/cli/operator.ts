import { userInfo } from 'node:os'
import type { CommandOptions } from './command-options.ts'

/** The options of each command that changes something. */
export const OPERATOR_OPTIONS = {
  by: { kind: 'text', value: 'name', help: 'Who does this. Default: the user of the operating system.' },
  reason: { kind: 'text', value: 'text', help: 'Why, for the audit.' },
} as const satisfies CommandOptions

/** Who acts, and why, as `broadcaster.admin` takes it. */
export function operator({ by, reason }: { readonly by: string | undefined; readonly reason: string | undefined }): {
  readonly by: string
  readonly reason: string | undefined
} {
  return { by: by ?? systemUser(), reason }
}

/** A container may run as a number without a name. */
function systemUser(): string {
  try {
    return userInfo().username || 'unknown'
  } catch {
    return 'unknown'
  }
}
