import { option, secret } from './option-kinds.ts'
import type { Option } from './option-table.ts'

/** An object of the application's that has at least one of these members. */
export function withOneOf<Thing extends object>(
  wanted: string,
  ...members: readonly (keyof Thing & string)[]
): Option<Thing, Thing | undefined> {
  const fits = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && members.some((name) => Reflect.get(value, name) !== undefined)
  return secret(option(wanted, undefined, fits))
}
