import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { freePort } from '../backend/redis-process.ts'

/** A database server of the test's own, in a folder of its own. */
export interface DatabaseProcess {
  readonly port: number
  readonly pid: number
  readonly folder: string
  kill(): void
  close(): Promise<void>
}

/** The user that a server runs as: neither likes root. */
function userOf(name: string): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function newFolder(name: string, user: { readonly uid?: number; readonly gid?: number }): string {
  const folder = mkdtempSync(join(tmpdir(), `broadcaster-${name}-`))
  chmodSync(folder, 0o700)
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid)
  return folder
}

async function run(program: string, args: readonly string[], port: number, folder: string, user: object) {
  const child = spawn(program, args, { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000)
  })
  await until(
    () => answers(port),
    child,
    () => said,
  )
  return serverOf(child, port, folder)
}

function serverOf(child: ChildProcess, port: number, folder: string): DatabaseProcess {
  return {
    port,
    pid: child.pid ?? 0,
    folder,
    kill: () => void child.kill('SIGKILL'),
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      }
      // Those of PostgreSQL notice by themselves that the first of them is gone.
      await delay(300)
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}

async function until(done: () => Promise<boolean>, child: ChildProcess, said: () => string): Promise<void> {
  for (let n = 0; n < 600; n++) {
    if (child.exitCode !== null) throw new Error(`the server did not start:\n${said()}`)
    if (await done()) return
    await delay(100)
  }
  throw new Error(`the server does not answer:\n${said()}`)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** The folder of PostgreSQL's programs. */
function postgresPrograms(): string | undefined {
  try {
    const base = '/usr/lib/postgresql'
    const newest = readdirSync(base).sort((a, b) => Number(b) - Number(a))[0]
    return newest === undefined ? undefined : join(base, newest, 'bin')
  } catch {
    return undefined
  }
}

/** The reason to skip for want of the programs, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutPrograms(what: 'postgres' | 'mariadb'): string | false {
  const found =
    what === 'postgres'
      ? postgresPrograms() !== undefined
      : spawnSync('mariadbd', ['--version'], { env: SBIN }).status === 0
  if (found) return false
  const reason = `the programs of ${what} are not installed (\`scripts/services\` installs them)`
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

const SBIN = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }

/** A PostgreSQL. `standbyOf`: made from that one, and follows it. */
export async function startPostgres(options: readonly string[], standbyOf?: number): Promise<DatabaseProcess> {
  const bin = postgresPrograms() ?? ''
  const user = userOf('postgres')
  const folder = newFolder('postgres', user)
  const data = join(folder, 'data')
  const port = await freePort()
  const make =
    standbyOf === undefined
      ? ([
          join(bin, 'initdb'),
          ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8'],
        ] as const)
      : ([
          join(bin, 'pg_basebackup'),
          [
            '-h',
            '127.0.0.1',
            '-p',
            String(standbyOf),
            '-U',
            'postgres',
            '-D',
            data,
            '-R',
            '-X',
            'stream',
            '-c',
            'fast',
          ],
        ] as const)
  execFileSync(make[0], make[1], { ...user, cwd: folder, stdio: 'ignore' })
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, ...options]
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
  const server = await run(join(bin, 'postgres'), args, port, folder, user)
  await untilReady(port)
  return server
}

/** It listens while it still starts up, and refuses. */
async function untilReady(port: number): Promise<void> {
  for (let n = 0; ; n++) {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return await client.end()
    } catch (error) {
      if (n === 600) throw error
      await delay(100)
    }
  }
}

/** A MariaDB. */
export async function startMariadb(options: readonly string[]): Promise<DatabaseProcess> {
  const user = userOf('mysql')
  const folder = newFolder('mariadb', user)
  const port = await freePort()
  const install = [
    '--no-defaults',
    `--datadir=${folder}`,
    `--tmpdir=${folder}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]
  execFileSync('mariadb-install-db', install, { ...user, cwd: folder, stdio: 'ignore', env: SBIN })
  const args = [
    '--no-defaults',
    `--datadir=${folder}`,
    // Not that of others: a MariaDB that starts removes the temporary tables it finds.
    `--tmpdir=${folder}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${join(folder, 'socket')}`,
    '--innodb-flush-log-at-trx-commit=2',
    '--innodb-buffer-pool-size=32M',
    ...options,
  ]
  return run('/usr/sbin/mariadbd', args, port, folder, { ...user, env: SBIN })
}

/** The processes of a server: the first and those that it has started. */
export function processesOf({ pid }: DatabaseProcess): readonly number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(/\) \S+ (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]) === pid
      } catch {
        return false
      }
    })
  return [pid, ...children.map(Number)]
}
