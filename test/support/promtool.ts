import { spawnSync } from 'node:child_process'

/** The reason to skip for want of Prometheus' own programs, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutPrometheus(): string | false {
  if (spawnSync('promtool', ['--version']).status === 0) return false
  const reason = 'the programs of Prometheus are not installed (`scripts/services` installs them)'
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

/** Runs `promtool`; what it printed, and whether it was content. */
export function promtool(args: readonly string[], input = ''): { readonly ok: boolean; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return { ok: status === 0, said: stdout + stderr }
}
