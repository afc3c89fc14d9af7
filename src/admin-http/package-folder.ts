import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BroadcasterError } from '../errors.ts'

/**
 * The folder of this package. Throws `INVALID_OPTION` where a bundler moved this code away from the files that the admin
 * serves.
 */
export function packageFolder(): string {
  // Two folders up, from `src` as from `dist`. Some bundlers leave `dirname` undefined.
  const { dirname } = import.meta as { readonly dirname?: string }
  const folder = dirname === undefined ? undefined : join(dirname, '../..')
  if (folder !== undefined && isOurs(folder)) return folder
  throw new BroadcasterError(
    'INVALID_OPTION',
    'adminHandler(): the files of its pages are not beside its code, since a bundler moved it; leave ts-broadcaster out of the bundle (Next: serverExternalPackages: ["ts-broadcaster"] in next.config; esbuild: --external:ts-broadcaster)',
  )
}

/** The version of this package, as its own package.json says. */
export function packageVersion(): string {
  return manifestOf(packageFolder()).version ?? ''
}

function isOurs(folder: string): boolean {
  return existsSync(join(folder, 'package.json')) && manifestOf(folder).name === 'ts-broadcaster'
}

function manifestOf(folder: string): { readonly name?: string; readonly version?: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
