import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Page } from 'playwright-core'
import { root } from '../project/source-files.ts'

const FOLDER = join(root, 'docs/screens')

/** The few that the documentation shows; `BROADCASTER_SCREENS=1` writes them anew. */
const SHOWN = new Set(['overview-light', 'events-light', 'failures-light', 'overview-phone-dark'])

/** Pictures of desks are cut here, in pixels: each stays below 150 kB. */
const TALLEST = 760

export async function takeScreenshot(page: Page, name: string): Promise<void> {
  if (process.env['BROADCASTER_SCREENS'] !== '1' || !SHOWN.has(name)) return
  mkdirSync(FOLDER, { recursive: true })
  const { width = 0, height = 0 } = page.viewportSize() ?? {}
  const clip = { x: 0, y: 0, width, height: Math.min(height, TALLEST) }
  await page.screenshot({ path: join(FOLDER, `${name}.png`), scale: 'css', clip })
}

/** An hour of traffic, for the chart: 40 to 90 events a second, and a quarter of an hour in which one backend delivered nothing. */
export function plantTraffic(path: string): void {
  if (process.env['BROADCASTER_SCREENS'] !== '1') return
  const db = new DatabaseSync(path)
  const add = db.prepare(
    'INSERT OR REPLACE INTO outbox_flow (span, began, backend, seq, delivered, took_5, took_7, took_9) VALUES (60, ?, ?, ?, ?, ?, ?, ?)',
  )
  const now = Math.floor(Date.now() / 60_000) * 60
  let seq = 1
  for (let ago = 66; ago > 0; ago--) {
    const stored = Math.round(60 * (65 + 20 * Math.sin(ago / 7) + 5 * Math.sin(ago)))
    const delivered = ago < 25 && ago > 10 ? Math.round(stored * 0.6) : stored
    seq += stored
    add.run(now - 60 * ago, '', seq, 0, 0, 0, 0)
    const slow = Math.round(delivered * 0.02)
    add.run(now - 60 * ago, 'default', 0, delivered, delivered - 11 * slow, 10 * slow, slow)
  }
  db.close()
}
