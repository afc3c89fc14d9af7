import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseJson } from '../event/json.ts'
import { UsageError } from './exit-codes.ts'
import type { Screen } from './screen.ts'

/** What an option gives, the content of a file (`@path`), or standard input (`-`). Throws `UsageError`. */
export async function readText(given: string, terminal: Screen): Promise<string> {
  if (given === '-') return terminal.readInput()
  if (!given.startsWith('@')) return given
  const path = resolve(terminal.cwd, given.slice(1))
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new UsageError(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

/** The JSON of an option. Throws `UsageError`. */
export function parse(text: string, option: string): unknown {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new UsageError(`${option} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

/** An extension attribute as `name=text`. Throws `UsageError`. */
export function extension(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at <= 0) throw new UsageError(`--extension is ${text}; give name=text`)
  return [text.slice(0, at), text.slice(at + 1)]
}
