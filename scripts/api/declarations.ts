import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isTypeAliasDeclaration, type Node } from 'typescript/unstable/ast'
import { API, type Project, type Symbol as Sym, SymbolFlags, type Type } from 'typescript/unstable/sync'

export const root = dirname(dirname(import.meta.dirname))

/**
 * The declarations of `src`, as a user's compiler reads them. TypeScript 7 calls this interface unstable; only this folder
 * uses it (docs/decisions/0090-api-page.md).
 */
export class Declarations {
  readonly #folder = mkdtempSync(join(tmpdir(), 'broadcaster-api-'))
  readonly #api: API
  readonly project: Project
  /** The options types that are exported, by what is in them: a declaration may write one out in place of naming it. */
  readonly #named = new Map<string, string>()

  constructor() {
    emit(this.#folder)
    this.#api = new API({ cwd: this.#folder })
    const [project] = this.#api.updateSnapshot({ openProjects: [join(this.#folder, 'tsconfig.json')] }).getProjects()
    if (!project) throw new Error('TypeScript opened no project')
    this.project = project
  }

  [globalThis.Symbol.dispose](): void {
    this.#api.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** What a file exports. */
  exportsOf(file: string): readonly Sym[] {
    const source = this.project.program.getSourceFile(join(this.#folder, file))
    const module = source && this.project.checker.getSymbolAtLocation(source)
    if (!module) throw new Error(`${file} exports nothing`)
    return this.project.checker.getExportsOfModule(module)
  }

  /** The thing itself that an export or import passes on. */
  target(symbol: Sym): Sym {
    return symbol.flags & SymbolFlags.Alias ? this.project.checker.getAliasedSymbol(symbol) : symbol
  }

  nodesOf(symbol: Sym): readonly Node[] {
    return symbol.declarations.map((one) => one.resolve(this.project)).filter((one) => one !== undefined)
  }

  /** What a name in a declaration stands for. */
  meaning(node: Node): Sym | undefined {
    const symbol = this.project.checker.getSymbolAtLocation(node)
    return symbol && this.target(symbol)
  }

  /** Notes an exported options type, so that options which have it are shown by its name. */
  nameOptions(symbol: Sym): void {
    const node = this.nodesOf(this.target(symbol))[0]
    if (node === undefined || !isTypeAliasDeclaration(node)) return
    if (!/= OptionsOf</.test(textOf(node))) return
    this.#named.set(this.#contentOf(this.project.checker.getDeclaredTypeOfSymbol(this.target(symbol))), symbol.name)
  }

  /** The name of an options type that an entry exports; undefined = none does. */
  nameOf(options: Type): string | undefined {
    return this.#named.get(this.#contentOf(options))
  }

  /** The same for options as they are given and as they are read. */
  #contentOf(options: Type): string {
    const { checker } = this.project
    const members = checker.getPropertiesOfType(options).map((one) => {
      const type = checker.getTypeOfSymbol(one)
      const text = type ? checker.typeToString(type, undefined, IN_FULL) : ''
      return `${one.name}: ${text.replaceAll('ResolvedOf<', 'OptionsOf<').replaceAll(' | undefined', '')}`
    })
    return members.sort().join()
  }

  /** The comment on one line, without its tags. */
  commentOf(symbol: Sym): string {
    return oneLine(this.project.checker.getDocumentationCommentOfSymbol(symbol))
  }

  /** Where one of ours is declared: `kafka/options.ts KafkaOptions`. Undefined for what is TypeScript's or Node's. */
  originOf(symbol: Sym): string | undefined {
    const path = symbol.declarations[0]?.path
    if (!path?.startsWith(`${this.#folder}/`)) return
    return `${path.slice(this.#folder.length + 1).replace(/\.d\.ts$/, '.ts')} ${symbol.name}`
  }
}

/** TypeScript's TypeFormatFlags: NoTruncation and UseAliasDefinedOutsideCurrentScope, so that no path is shown. */
export const IN_FULL = 1 | (1 << 14)

/** Whether a type is computed from a table of options. */
export function isOptions(type: Type): boolean {
  return ['OptionsOf', 'ResolvedOf'].includes(type.getAliasSymbol()?.name ?? '')
}

function emit(folder: string): void {
  const options = ['--emitDeclarationOnly', '--declarationMap', 'false', '--sourceMap', 'false', '--outDir', folder]
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', ...options], {
    cwd: root,
    encoding: 'utf8',
  })
  if (tsc.status !== 0) throw new Error(tsc.stdout)
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
    readonly compilerOptions: Record<string, unknown>
  }
  const typeRoots = [join(root, 'node_modules/@types')]
  const config = { compilerOptions: { ...compilerOptions, typeRoots }, include: ['**/*.d.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
}

/** A declaration, or its comment, on one line. */
export function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim()
}

/** Its text on one line, without comments, and without the paths of what it imports. */
export function textOf(node: Node): string {
  return oneLine(
    node
      .getText()
      .replace(/\/\*\*[\s\S]*?\*\//g, '')
      .replace(/import\("\.[^"]*"\)\./g, '')
      .replace(/import\("([^"]*)"\)\./g, '$1.'),
  ).replace(/;( }|$)/g, '$1')
}
