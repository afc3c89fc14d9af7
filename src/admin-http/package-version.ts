import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The version of this package, as its own package.json says. */
export function packageVersion(): string {
  // Two folders up, from `src` as from `dist`.
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
