import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Broadcaster } from '../broadcaster.ts'
import type { BroadcasterOptions } from '../broadcaster-options.ts'
import type { Subscription } from '../consumer/subscription.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { suggestion } from '../foundation/suggestion.ts'
import { UsageError } from './exit-codes.ts'

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

/** One outbox that a configuration file describes. */
export interface Configured {
  /** The Broadcaster's name, for `--outbox`. */
  readonly name: string
  readonly broadcaster: Broadcaster
  /** The names of its backends. */
  readonly backends: readonly string[]
  /** The place behind its backend that an event goes to; undefined = the backend as a whole, or one that is not configured. */
  destinationOf(backend: string, event: OutgoingEvent): string | undefined
  /** What its consumers read, by consumer. */
  readonly subscriptions: Readonly<Record<string, Subscription>>
}

/**
 * Makes the Broadcasters that a configuration file describes: one, or several with a name each. With `names` only these.
 * Throws `CONFIG_INVALID`, and `UsageError` for a name that is not there.
 */
export async function loadConfig(path: string, names: readonly string[] = []): Promise<readonly Configured[]> {
  const invalid = (what: string, cause?: unknown): BroadcasterError =>
    new BroadcasterError('CONFIG_INVALID', `${path} ${what}`, { field: 'config', value: path, cause })
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown }
  } catch (cause) {
    const isScript = cause instanceof SyntaxError && /\.[jt]s$/.test(path)
    const cure = isScript ? '; is it a module? In a package without "type": "module" its name ends in .mts or .mjs' : ''
    throw invalid(`cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}${cure}`, cause)
  }
  const exported = module.default
  const several = Array.isArray(exported)
  const all: readonly unknown[] = several ? exported : [exported]
  const configs = all.filter(isConfig)
  if (configs.length < all.length || all.length === 0) {
    throw invalid(
      'exports no configuration; write `export default defineConfig({ store, backends })`, or a list of those',
    )
  }
  const named = configs.map((options, n) => {
    if (several && options.name === undefined) {
      throw invalid(`exports several configurations, and number ${n + 1} has no name; give each a name of its own`)
    }
    return { name: options.name ?? options.store?.description, options }
  })
  const known = named.map(({ name }) => name)
  const twice = known.find((name, n) => known.indexOf(name) !== n)
  if (twice !== undefined) throw invalid(`exports several configurations named '${twice}'; give each a name of its own`)
  for (const name of names) {
    if (known.includes(name)) continue
    throw new UsageError(`there is no outbox ${name}${suggestion(name, known) || `; there are ${known.join(', ')}`}`)
  }
  const chosen = names.length === 0 ? named : named.filter(({ name }) => names.includes(name))
  try {
    return chosen.map(({ name, options }) => ({
      name,
      // The commands have a log of their own.
      broadcaster: new Broadcaster({ logger: false, ...options }),
      backends: Object.keys(options.backends ?? {}),
      destinationOf: (backend, event) => options.backends?.[backend]?.destination?.(event),
      subscriptions: options.subscriptions ?? {},
    }))
  } catch (cause) {
    throw invalid(`is refused: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

function isConfig(exported: unknown): exported is BroadcasterOptions {
  return typeof exported === 'object' && exported !== null && 'store' in exported
}
