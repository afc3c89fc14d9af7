/**
 * Where libraries keep the error of the driver: Drizzle and Prisma `cause`, Sequelize `original`, TypeORM
 * `driverError`, Prisma's adapters `meta.driverAdapterError`, MikroORM `previous`.
 */
const INNER = ['cause', 'original', 'driverError', 'meta', 'driverAdapterError', 'previous'] as const

/** Deeper than any library nests them. A limit is needed, since a chain may be circular. */
const DEPTH = 5

/** An error and those inside it, the outermost first. A member that throws when it is read is skipped. */
export function innerErrors(error: unknown): readonly Readonly<Record<string, unknown>>[] {
  const found: Record<string, unknown>[] = []
  const walk = (at: unknown, depth: number): void => {
    if (!hasMembers(at) || depth > DEPTH || found.includes(at)) return
    found.push(at)
    for (const name of INNER) walk(memberOf(at, name), depth + 1)
  }
  walk(error, 0)
  return found
}

/** A member of an error; undefined also where reading it throws. */
export function memberOf(error: unknown, name: string): unknown {
  try {
    return hasMembers(error) ? error[name] : undefined
  } catch {
    return undefined
  }
}

function hasMembers(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
