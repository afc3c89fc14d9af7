import { compileTypePattern } from '../event/type-pattern.ts'
import { byDefault, duration, integer, nested, option, or } from '../foundation/option-kinds.ts'
import type { Option, OptionsOf, Refuse, ResolvedOf } from '../foundation/option-table.ts'
import { showValue } from '../foundation/problem.ts'
import type { ArchiveEvents } from './archive.ts'

const DAY = 24 * 60 * 60 * 1_000
const FROM_ZERO = { min: 0, max: Number.MAX_SAFE_INTEGER }
const numberOfThem = byDefault(null, or(integer(0, FROM_ZERO), null))

/** How many settled events are kept; the oldest of more are deleted, however young they are. */
export const KEEP = {
  /** Published events; null = any number. Default null. */
  published: numberOfThem,
  /** Failed events, without those that block their key, which stay; null = any number. Default null. */
  failed: numberOfThem,
  /** Cancelled events; null = any number. Default null. */
  cancelled: numberOfThem,
}

/** Where events are kept before they are deleted. */
export const ARCHIVE = option<string | ArchiveEvents, string | ArchiveEvents | undefined>(
  'a folder or a function',
  undefined,
  (value) => typeof value === 'function' || (typeof value === 'string' && value !== ''),
)

/** What holds for some types of events in place of what holds for all. */
export const TYPE_RETENTION = {
  /** Published events, in milliseconds; null = for ever. Default: as for other types. */
  published: or(duration(undefined, FROM_ZERO), null),
  /** Failed events, in milliseconds; null = for ever. Default: as for other types. */
  failed: or(duration(undefined, FROM_ZERO), null),
  /** Cancelled events, in milliseconds; null = for ever. Default: `failed` where that is given, else as for other types. */
  cancelled: or(duration(undefined, FROM_ZERO), null),
  /** How many are kept of the types of this entry together. Default: any number. */
  keep: nested(KEEP),
}
/** The same as an option. */
export type TypeRetentionOptions = OptionsOf<typeof TYPE_RETENTION>

/** How long settled events are kept. */
export const RETENTION = {
  /**
   * Published events, in milliseconds; null = for ever. `'delete'` = not at all: what was delivered is deleted instead of being
   * marked, which costs the database least; it can then be neither listed nor replayed, and its id may be published again.
   * Default 604,800,000 (seven days).
   */
  published: or(duration(7 * DAY, FROM_ZERO), null, 'delete'),
  /** Failed events, in milliseconds; null = for ever. Default 2,592,000,000 (thirty days). */
  failed: or(duration(30 * DAY, FROM_ZERO), null),
  /** Cancelled events, in milliseconds; null = for ever. Default: `failed`. */
  cancelled: or(duration(undefined, FROM_ZERO), null),
  /**
   * How many are kept of each status, whatever their age; the oldest of more are deleted. Events of the types in `types` do not
   * count. Default: any number.
   */
  keep: nested(KEEP),
  /**
   * What holds for some types instead, by type or pattern such as `audit.*`; the first that matches counts. What an entry leaves
   * out is as for other types, except that `keep` is its own. Default: none.
   */
  types: byType(nested(TYPE_RETENTION)),
  /**
   * Where events are kept before they are deleted: a folder that is there, for gzipped lines of JSON, or a function that is given
   * them, a hundred at most at a time. Nothing is deleted unless that succeeded. Default: nowhere.
   */
  archive: ARCHIVE,
  /**
   * Inbox entries (`inbox.once`), since they were handled, in milliseconds; null = for ever. Default 2,592,000,000 (thirty
   * days).
   */
  inbox: or(duration(30 * DAY, FROM_ZERO), null),
  /** What operators did (`admin.audit`), in milliseconds; null = for ever. Default 31,536,000,000 (365 days). */
  audit: or(duration(365 * DAY, FROM_ZERO), null),
  /** The time between two clean-ups, in milliseconds. Default 60,000. */
  interval: duration(60_000, { min: 1, max: 86_400_000 }),
}
/** The same as an option of a worker. */
export type RetentionOptions = OptionsOf<typeof RETENTION>
/** The same, each checked and with its default. */
export type ResolvedRetention = ResolvedOf<typeof RETENTION>

/** One value for each type or pattern, each of which is read as `one`. */
function byType<Given, Resolved>(
  one: Option<Given, Resolved>,
): Option<Readonly<Record<string, Given>>, Readonly<Record<string, Resolved>>> {
  const wanted = `an object, for each type or pattern such as 'audit.*': ${one.wanted}`
  const read = (value: unknown, refuse: Refuse): Readonly<Record<string, Resolved>> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      refuse(`is ${showValue(value)}; give ${wanted}`)
      return {}
    }
    const before: { readonly pattern: string; readonly matches: (type: string) => boolean }[] = []
    return Object.fromEntries(
      Object.entries(value).map(([pattern, each]) => {
        const at = `['${pattern}']`
        // As a type, a star is matched by a star only, so a pattern that is matched is matched in all that it takes.
        const first = before.find(({ matches }) => matches(pattern))?.pattern
        if (first !== undefined) refuse(`comes after '${first}', which takes all of it; put it before that`, { at })
        try {
          before.push({ pattern, matches: compileTypePattern(pattern) })
        } catch (cause) {
          refuse('is no type and no pattern; write a type, or a pattern such as `audit.*`', { at, cause })
        }
        return [pattern, one.read(each, (message, more) => refuse(message, { ...more, at: at + (more?.at ?? '') }))]
      }),
    )
  }
  return { wanted, fallback: {}, read }
}
