import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BroadcasterError } from '../../errors.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { CONFIG_NAMES } from '../config-file.ts'
import { EXIT } from '../exit-codes.ts'
import { configText } from '../init/config-text.ts'
import { examineProject } from '../init/project.ts'
import { printLines } from '../screen.ts'

/** `broadcaster init`. */
export const init = defineCommand({
  name: 'init',
  summary: 'Writes a configuration file for what it finds in package.json.',
  description: 'Never overwrites a configuration file without --force.',
  options: {
    force: { kind: 'flag', help: 'Overwrites the file that is there.' },
    print: { kind: 'flag', help: 'Prints the file instead of writing it.' },
  },
  async run({ options }, { terminal }) {
    const project = examineProject(terminal.cwd)
    const text = configText(project)
    if (options.print) {
      printLines(terminal.verbatim, text.trimEnd())
      return EXIT.ok
    }
    const there = CONFIG_NAMES.find((name) => existsSync(join(terminal.cwd, name)))
    if (there !== undefined && !options.force) {
      throw new BroadcasterError('CONFIG_INVALID', `${there} exists already; --force overwrites it`, { value: there })
    }
    const path = join(terminal.cwd, there ?? project.fileName)
    writeFileSync(path, text)
    if (options.json) {
      terminal.verbatim(
        stringifyJson({ path, found: project.found, missing: project.missing, variables: requiredVariables(text) }),
      )
      return EXIT.ok
    }
    const variables = requiredVariables(text)
    for (const line of project.found) terminal.out(`Found ${line}.`)
    terminal.out(`Wrote ${path}.`)
    const steps = [
      ...(project.missing.length === 0 ? [] : [`npm install ${project.missing.join(' ')}`]),
      ...(variables.length === 0 ? [] : [`set ${variables.join(' and ')} (nothing is guessed)`]),
      'npx broadcaster migrate',
      'npx broadcaster worker',
    ]
    terminal.out(`Next: ${steps.join(', then ')}.`)
    return EXIT.ok
  },
})

/** The environment variables without which the configuration refuses to load. */
function requiredVariables(text: string): readonly string[] {
  return Array.from(text.matchAll(/required\('(\w+)'\)/g), ([, name = '']) => name)
}
