import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks a second; 100 on every Linux that Node supports. */
const TICKS = 100

interface ProcessStat {
  readonly name: string
  /** Seconds of user and system time. */
  readonly own: number
  /** The same of children that have ended and been waited for. */
  readonly children: number
}

function statOf(pid: string): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
    return { name, own: (user + system) / TICKS, children: (childUser + childSystem) / TICKS }
  } catch {
    return undefined
  }
}

/** CPU seconds used so far by one process; undefined where there is none of this number, or no /proc. */
export function processCpu(pid: number): number | undefined {
  return statOf(String(pid))?.own
}

/**
 * CPU seconds used so far by all processes of a server on this machine, those that have ended included. Undefined
 * where the server runs elsewhere, or where there is no /proc.
 */
export function serverCpu(name: string): number | undefined {
  let pids: string[]
  try {
    pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  } catch {
    return undefined
  }
  const stats = pids.map(statOf).filter((stat) => stat?.name === name)
  if (stats.length === 0) return undefined
  return stats.reduce((sum, stat) => sum + (stat?.own ?? 0) + (stat?.children ?? 0), 0)
}
