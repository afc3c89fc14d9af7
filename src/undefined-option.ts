/** The problem of a place to connect to that is given as undefined: by default it would be another place than was meant. */
export const UNDEFINED_PLACE = 'is undefined; give it a value (is the environment variable set?), or leave it out'

/** The first of these options that is given, and given as undefined. */
export function undefinedOption(options: object | undefined, names: readonly string[]): string | undefined {
  return Object.entries(options ?? {}).find(([name, value]) => value === undefined && names.includes(name))?.[0]
}
