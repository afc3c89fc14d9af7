import { spawnSync } from 'node:child_process'
import { type Browser, chromium } from 'playwright-core'

const PROGRAM = process.env['CHROMIUM'] ?? 'chromium'

/** Where it is; undefined = it is not installed. */
function pathOfChromium(): string | undefined {
  const { status, stdout } = spawnSync('sh', ['-c', 'command -v "$0"', PROGRAM], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** The reason to skip for want of Chromium, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutChromium(): string | false {
  if (pathOfChromium() !== undefined) return false
  const reason = 'Chromium is not installed (`scripts/services chromium` installs it, or set CHROMIUM)'
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

/** A Chromium without a window. */
export function openChromium(): Promise<Browser> {
  // In a container it runs as root, where its sandbox does not; it sees only our own pages.
  return chromium.launch({
    executablePath: pathOfChromium() ?? PROGRAM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
}
