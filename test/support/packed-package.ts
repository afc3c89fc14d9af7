import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../project/source-files.ts'

/** Runs a program to its end; throws with all it said unless it succeeded. `env` goes before our own. */
export function runIn(
  cwd: string | { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  command: string,
  ...args: readonly string[]
): string {
  const place = typeof cwd === 'string' ? { cwd, env: {} } : cwd
  // Our own options would lead to the sources; a user has none.
  const env = { ...process.env, NODE_OPTIONS: '', ...place.env }
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: place.cwd, encoding: 'utf8', env })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`, { cause: error })
}

/** A program of a development dependency. */
export const bin = (name: string): string => join(root, 'node_modules/.bin', name)

/** What the package is built from and holds. */
const PARTS = [
  'src',
  'docs',
  'examples',
  'ops',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'ui',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
]

/** Builds and packs the package in an empty folder, as for a release. Returns the path of the tarball. */
export function packInto(stage: string): string {
  for (const name of PARTS) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
  runIn(stage, bin('tsc'), '-p', 'tsconfig.build.json')
  runIn(stage, bin('vite'), 'build', 'ui', '--logLevel', 'warn')
  return join(stage, runIn(stage, 'npm', 'pack', '--ignore-scripts', '--silent').trim())
}
