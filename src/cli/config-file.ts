import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Broadcaster, type BroadcasterOptions } from '../broadcaster.ts'
import { BroadcasterError } from '../errors.ts'

/** The names that are looked for, in this order. `.mts` and `.mjs` are for packages without `"type": "module"`. */
export const CONFIG_NAMES = [
  'broadcaster.config.ts',
  'broadcaster.config.mts',
  'broadcaster.config.js',
  'broadcaster.config.mjs',
] as const

/**
 * The configuration file: the one asked for, or the first found in `cwd` and the folders above it. Throws
 * `CONFIG_NOT_FOUND`.
 */
export function findConfig(cwd: string, asked: string | undefined): string {
  if (asked !== undefined) {
    const path = resolve(cwd, asked)
    if (existsSync(path)) return path
    throw new BroadcasterError('CONFIG_NOT_FOUND', `there is no configuration file ${path}; look at --config`, {
      field: 'config',
      value: asked,
    })
  }
  for (let folder = cwd; ; folder = dirname(folder)) {
    const found = CONFIG_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path))
    if (found !== undefined) return found
    if (dirname(folder) === folder) break
  }
  throw new BroadcasterError(
    'CONFIG_NOT_FOUND',
    `there is no broadcaster.config.ts in ${cwd} or above; run \`broadcaster init\`, or give --config <path>`,
    { field: 'config' },
  )
}

/** What a configuration file describes. */
export interface Configured {
  readonly broadcaster: Broadcaster
  /** The names of its backends. */
  readonly backends: readonly string[]
}

/** Makes the Broadcaster that a configuration file describes. Throws `CONFIG_INVALID`. */
export async function loadConfig(path: string): Promise<Configured> {
  const invalid = (what: string, cause?: unknown): BroadcasterError =>
    new BroadcasterError('CONFIG_INVALID', `${path} ${what}`, { field: 'config', value: path, cause })
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown }
  } catch (cause) {
    throw invalid(`cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  const options = module.default
  if (typeof options !== 'object' || options === null || !('store' in options && 'backends' in options)) {
    throw invalid('exports no configuration; write `export default defineConfig({ store, backends })`')
  }
  try {
    const broadcaster = new Broadcaster(options as BroadcasterOptions)
    return { broadcaster, backends: Object.keys((options as BroadcasterOptions).backends) }
  } catch (cause) {
    throw invalid(`is refused: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}
