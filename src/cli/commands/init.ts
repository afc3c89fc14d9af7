import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, resolve } from 'node:path'
import { BroadcasterError } from '../../errors.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { CONFIG_NAMES } from '../config-file.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { configText } from '../init/config-text.ts'
import { examineProject, type Project } from '../init/project.ts'
import { printLines } from '../screen.ts'

/** `broadcaster init`. */
export const init = defineCommand({
  name: 'init',
  summary: 'Writes a configuration file for what it finds in package.json.',
  description: 'Never overwrites a configuration file without --force.',
  options: {
    force: { kind: 'flag', help: 'Overwrites the file that is there.' },
    print: { kind: 'flag', help: 'Prints the file instead of writing it.' },
    config: {
      kind: 'text',
      value: 'path',
      env: 'BROADCASTER_CONFIG',
      help: 'Writes this file. Default: broadcaster.config.ts here, or .mts where package.json lacks "type": "module".',
    },
  },
  without: ['outbox', 'env-file'],
  async run({ options }, { terminal }) {
    const project = examineProject(terminal.cwd)
    const text = configText(project)
    if (options.print) {
      printLines(terminal.verbatim, text.trimEnd())
      return EXIT.ok
    }
    const names = options.config === undefined ? CONFIG_NAMES : [loadable(options.config, project)]
    const there = names.find((name) => existsSync(resolve(terminal.cwd, name)))
    if (there !== undefined && !options.force) {
      throw new BroadcasterError('CONFIG_INVALID', `${there} exists already; --force overwrites it`, { value: there })
    }
    const path = resolve(terminal.cwd, there ?? options.config ?? project.fileName)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    if (options.json) {
      terminal.verbatim(
        stringifyJson({ path, found: project.found, missing: project.missing, variables: requiredVariables(text) }),
      )
      return EXIT.ok
    }
    const variables = requiredVariables(text)
    const isFound = dirname(path) === resolve(terminal.cwd) && CONFIG_NAMES.some((name) => basename(path) === name)
    const elsewhere = isFound ? '' : ` --config ${options.config}`
    for (const line of project.found) terminal.out(`Found ${line}.`)
    terminal.out(`Wrote ${path}.`)
    const steps = [
      ...(project.missing.length === 0 ? [] : [`npm install ${project.missing.join(' ')}`]),
      ...(variables.length === 0 ? [] : [`set ${variables.join(' and ')} (nothing is guessed)`]),
      `npx broadcaster migrate${elsewhere}`,
      `npx broadcaster worker${elsewhere}`,
    ]
    terminal.out(`Next: ${steps.join(', then ')}.`)
    return EXIT.ok
  },
})

/** The name of the file that was asked for, if Node can load that here. Throws `UsageError`. */
function loadable(name: string, { fileName }: Project): string {
  const wanted = extname(fileName)
  if (extname(name) === '.mts' || extname(name) === wanted) return name
  const why = wanted === '.mts' && extname(name) === '.ts' ? ', since package.json lacks "type": "module"' : ''
  throw new UsageError(`--config is ${name}; give a name that ends in ${wanted}${why}: what is written is TypeScript`)
}

/** The environment variables without which the configuration refuses to load. */
function requiredVariables(text: string): readonly string[] {
  return Array.from(text.matchAll(/required\('(\w+)'\)/g), ([, name = '']) => name)
}
