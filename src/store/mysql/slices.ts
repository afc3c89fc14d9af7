/**
 * Ids in one statement. MariaDB turns an IN list of 1,000 and more into a subquery (in_predicate_conversion_threshold),
 * whose plan no index hint decides.
 */
export const AT_ONCE = 500

/** A list in parts of at most AT_ONCE. */
export function slices<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, n) => all.slice(n * AT_ONCE, (n + 1) * AT_ONCE))
}
