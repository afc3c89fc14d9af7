#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { leave } from './leave.ts'
import { runCli } from './run.ts'
import { processTerminal } from './terminal.ts'

// node:sqlite is experimental up to Node 24, and so are TypeScript configuration files on Node 22: we know.
process.removeAllListeners('warning')
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.stack ?? warning.message}\n`)
})

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
}
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  // Older ones fail later, and do not say why: node:sqlite and TypeScript files are not there.
  process.stderr.write(`broadcaster: this is Node.js ${process.versions.node}; it needs 22.18 or newer\n`)
  process.exit(1)
}
leave(await runCli(process.argv.slice(2), processTerminal(), version))
