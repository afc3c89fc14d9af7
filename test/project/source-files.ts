import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** The root of the repository. */
export const root = dirname(dirname(import.meta.dirname))

export interface SourceFile {
  /** Relative to the repository: `src/relay/cycle.ts`. */
  readonly path: string
  readonly text: string
  /** The text without comments and without what stands in quotes. */
  readonly code: string
  readonly imports: readonly Import[]
}

export interface Import {
  /** As written. */
  readonly specifier: string
  /** For a relative import: the file, relative to the repository. */
  readonly file: string | undefined
  readonly kind: 'value' | 'type' | 'dynamic'
}

/** All files of `src`, sorted by path. */
export function sourceFiles(): readonly SourceFile[] {
  return globSync('src/**/*.ts', { cwd: root })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, code: withoutTextAndComments(text), imports: importsOf(path, text) }
    })
}

const COMMENT = String.raw`\/\*[\s\S]*?\*\/|(?<![:\\/])\/\/[^\n]*`
const QUOTED = String.raw`'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"`
const TEMPLATE = String.raw`\`(?:\\[\s\S]|[^\`\\])*\``

function withoutTextAndComments(text: string): string {
  return text.replace(new RegExp(`${COMMENT}|${QUOTED}|${TEMPLATE}`, 'g'), (found) => (found[0] === '/' ? '' : "''"))
}

const STATIC =
  /^(?:import|export)\s+(type\s+)?(?:(?:[\w$]+|\*(?:\s+as\s+\w+)?|\{[^}]*\})(?:,\s*\{[^}]*\})?\s+from\s+)?'([^']+)'/gm
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g

function importsOf(path: string, text: string): readonly Import[] {
  const code = text.replace(new RegExp(COMMENT, 'g'), '')
  const resolve = (specifier: string): string | undefined =>
    specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : undefined
  const found: Import[] = []
  for (const [statement, type, specifier = ''] of code.matchAll(STATIC)) {
    const kind = type !== undefined || onlyTypes(statement) ? 'type' : 'value'
    found.push({ specifier, file: resolve(specifier), kind })
  }
  for (const [, specifier = ''] of code.matchAll(DYNAMIC)) {
    found.push({ specifier, file: resolve(specifier), kind: 'dynamic' })
  }
  return found
}

/** `import { type A, type B } from` */
function onlyTypes(statement: string): boolean {
  const names = /\{([^}]*)\}/
    .exec(statement)?.[1]
    ?.split(',')
    .filter((name) => name.trim() !== '')
  return names !== undefined && names.length > 0 && names.every((name) => name.trim().startsWith('type '))
}
