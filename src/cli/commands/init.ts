import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BroadcasterError } from '../../errors.ts'
import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { CONFIG_NAMES } from '../config-file.ts'
import { EXIT } from '../exit-codes.ts'
import { configText } from '../init/config-text.ts'
import { examineProject } from '../init/project.ts'

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
      terminal.out(text.trimEnd())
      return EXIT.ok
    }
    const there = CONFIG_NAMES.find((name) => existsSync(join(terminal.cwd, name)))
    if (there !== undefined && !options.force) {
      throw new BroadcasterError('CONFIG_INVALID', `${there} is there already; --force overwrites it`, { value: there })
    }
    const path = join(terminal.cwd, there ?? project.fileName)
    writeFileSync(path, text)
    if (options.json) {
      terminal.out(stringifyJson({ path, found: project.found }))
      return EXIT.ok
    }
    for (const line of project.found) terminal.out(`Found ${line}.`)
    terminal.out(`Wrote ${path}.`)
    terminal.out('Next: npx broadcaster migrate, then npx broadcaster worker.')
    return EXIT.ok
  },
})
