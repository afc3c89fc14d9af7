/** `npm run build`: `src` -> `dist`, with types and maps, and `ui` -> `dist/admin-http/ui`, as they are published. */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)

function run(command: string, ...args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
run('tsc', '-p', 'tsconfig.build.json')
run('vite', 'build', 'ui', '--logLevel', 'warn')
chmodSync(join(root, 'dist/cli/main.js'), 0o755)
