import { globSync, mkdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { root } from '../project/source-files.ts'
import { bin, runIn } from '../support/packed-package.ts'

const LOCK = join(root, 'node_modules/.cache/pages-being-built')

const newest = (pattern: string): number =>
  Math.max(0, ...globSync(pattern, { cwd: root }).map((path) => statSync(join(root, path)).mtimeMs))

const isOld = (): boolean =>
  newest('dist/admin-http/ui/index.html') < newest('ui/{src/**/*.*,index.html,vite.config.ts}')

/** Builds the pages unless they are newer than their sources. Two test files that start at once build them once. */
export async function buildPages(): Promise<void> {
  mkdirSync(join(root, 'node_modules/.cache'), { recursive: true })
  for (;;) {
    if (!isOld()) return
    try {
      mkdirSync(LOCK)
      break
    } catch {
      await setTimeout(100)
    }
  }
  try {
    if (isOld()) runIn(root, bin('vite'), 'build', 'ui', '--logLevel', 'warn')
  } finally {
    rmdirSync(LOCK)
  }
}
