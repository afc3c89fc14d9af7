import { cpus, totalmem } from 'node:os'
import type { Pool } from 'pg'
import type { RedisClientType } from 'redis'

/** Where figures were measured: without that they say little. */
export interface Machine {
  readonly at: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  readonly postgres: string
  readonly redis: string
}

interface RedisInfo {
  info(section: string): Promise<unknown>
}

/** This machine and the versions of its servers. */
export async function describeMachine(pool: Pick<Pool, 'query'>, redis: RedisInfo | RedisClientType): Promise<Machine> {
  const { rows } = await pool.query('SHOW server_version')
  const [cpu, ...more] = cpus()
  return {
    at: new Date().toISOString(),
    cpu: cpu?.model ?? 'unknown',
    cores: more.length + 1,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: String(rows[0]?.server_version),
    redis: /redis_version:(\S+)/.exec(String(await redis.info('server')))?.[1] ?? 'unknown',
  }
}
