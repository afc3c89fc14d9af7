import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isExportSpecifier, type Node, SyntaxKind } from 'typescript/unstable/ast'
import type { Symbol as Sym } from 'typescript/unstable/sync'
import { Declarations, root, textOf } from './declarations.ts'
import { type Member, membersOf } from './members.ts'
import { namesIn } from './names.ts'

export interface Exported {
  readonly name: string
  /** On one line, without the members of what has some. */
  readonly signature: string
  readonly comment: string
  readonly members: readonly Member[]
  /** Tells two things of one name apart: where it is declared. */
  readonly origin: string
  readonly isType: boolean
  /** What its declaration names of ours: names by origin. */
  readonly names: ReadonlyMap<string, string>
}

export interface Entry {
  /** As it is imported: `ts-broadcaster/kafka`. */
  readonly name: string
  readonly comment: string
  readonly exports: readonly Exported[]
}

/** Reads the declarations of every entry of the package. */
export function readApi(): readonly Entry[] {
  using declarations = new Declarations()
  const all = entries().map((entry) => ({ ...entry, symbols: declarations.exportsOf(entry.file) }))
  const exported = new Set(
    all.flatMap(({ symbols }) => symbols.map((one) => declarations.originOf(declarations.target(one)) ?? '')),
  )
  for (const { symbols } of all) for (const one of symbols) declarations.nameOptions(one)
  return all.map(({ name, file, symbols }) => ({
    name,
    comment: firstComment(readFileSync(join(root, 'src', file.replace(/\.d\.ts$/, '.ts')), 'utf8')),
    exports: symbols.map((one) => readExport(declarations, one, exported)).sort(byName),
  }))
}

/** The entries of package.json, each with the file of its declarations. */
function entries(): readonly { readonly name: string; readonly file: string }[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly name: string
    readonly exports: Record<string, string | { readonly types: string }>
  }
  return Object.entries(exports).flatMap(([entry, target]) =>
    typeof target === 'string'
      ? []
      : [{ name: join(name, entry).replace(/\/$/, ''), file: target.types.replace('./dist/', '') }],
  )
}

/** The comment that an entry begins with says what it is for. */
function firstComment(text: string): string {
  return (/^(?:\/\/ .*\n)+/.exec(text)?.[0] ?? '')
    .replace(/^\/\/ /gm, '')
    .trim()
    .replaceAll('\n', ' ')
}

/** `a` and `A` beside each other, whatever the language of the machine. */
function byName({ name: a }: Exported, { name: b }: Exported): number {
  return `${a.toLowerCase()} ${a}` < `${b.toLowerCase()} ${b}` ? -1 : 1
}

function readExport(declarations: Declarations, symbol: Sym, exported: ReadonlySet<string>): Exported {
  const target = declarations.target(symbol)
  const nodes = declarations.nodesOf(target)
  const typeOnly = isTypeOnly(declarations, symbol)
  const members = membersOf(declarations, target, exported).filter(({ name }) => !typeOnly || name !== 'constructor')
  return {
    name: symbol.name,
    signature: nodes.map((node) => signatureOf(node, members.length > 0)).join('; '),
    comment: declarations.commentOf(target),
    members,
    origin: declarations.originOf(target) ?? '',
    isType: typeOnly || nodes.every(({ kind }) => TYPES.includes(kind)),
    names: namesIn(declarations, nodes, typeOnly, exported),
  }
}

/** `export type { Worker }`, or `export { type Worker }`. */
function isTypeOnly(declarations: Declarations, symbol: Sym): boolean {
  return declarations.nodesOf(symbol).some((node) => {
    return isExportSpecifier(node) && (node.isTypeOnly || node.parent.parent.getText().startsWith('export type'))
  })
}

const TYPES: readonly SyntaxKind[] = [SyntaxKind.InterfaceDeclaration, SyntaxKind.TypeAliasDeclaration]

/** Longer than this a type is cut: it is no sentence that anybody reads. */
const LONGEST = 400

function signatureOf(node: Node, hasMembers: boolean): string {
  // A constant is declared within a list of constants.
  const text = textOf(node.kind === SyntaxKind.VariableDeclaration ? node.parent : node).replace(
    /^(export )?(declare )?(function )?/,
    '',
  )
  const head =
    node.kind === SyntaxKind.TypeAliasDeclaration ? /^type [^=]*?(?= = )/ : /^(interface|class) [^{]*?(?= \{)/
  const short = hasMembers || node.kind !== SyntaxKind.TypeAliasDeclaration ? (head.exec(text)?.[0] ?? text) : text
  return short.length > LONGEST ? `${short.slice(0, LONGEST)} ...` : short
}
