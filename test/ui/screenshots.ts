import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
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
