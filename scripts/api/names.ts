import {
  isConstructorDeclaration,
  isExpressionWithTypeArguments,
  isImportTypeNode,
  isTypeQueryNode,
  isTypeReferenceNode,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast'
import { type Symbol as Sym, SymbolFlags } from 'typescript/unstable/sync'
import type { Declarations } from './declarations.ts'
import { isInternal, isPrivate } from './members.ts'

/** What option types are computed with: a reader sees the options, not how they came about. */
const KERNEL = 'foundation/option-table.ts '

/**
 * What declarations name of ours, by where it is declared: what a user may have to name, too. Of a
 * class that is exported as a type only nobody calls the constructor.
 */
export function namesIn(
  declarations: Declarations,
  nodes: readonly Node[],
  typeOnly: boolean,
  exported: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const seen = new Set<Sym>()
  for (const node of nodes) visit(node)
  return found

  function visit(node: Node): void {
    if (isPrivate(node) || isInternal(node) || (typeOnly && isConstructorDeclaration(node))) return
    const name = nameIn(node)
    const symbol = name && declarations.meaning(name)
    const origin = symbol && declarations.originOf(symbol)
    if (origin === undefined || symbol === undefined || symbol.flags & SymbolFlags.TypeParameter) {
      descend(node)
    } else if (isTypeQueryNode(node)) {
      // The table behind an options type.
      declarations.nodesOf(symbol).forEach(visit)
    } else {
      const kept = declarations
        .nodesOf(symbol)
        .filter((one) => !isExported(one) || (isExpressionWithTypeArguments(node) && !exported.has(origin)))
      // A piece that its file keeps to itself, and a base that no entry exports, are read as if they were written out.
      if (kept.length > 0 && !seen.has(symbol)) {
        seen.add(symbol)
        kept.forEach(visit)
      } else if (kept.length === 0 && !origin.startsWith(KERNEL)) {
        found.set(origin, symbol.name)
      }
      const { typeArguments = [] } = node as { readonly typeArguments?: readonly Node[] }
      // The second of an option is what it becomes, which is nobody's affair.
      typeArguments.slice(0, symbol.name === 'Option' ? 1 : undefined).forEach(visit)
    }
  }

  function descend(node: Node): void {
    node.forEachChild((child) => {
      visit(child)
    })
  }
}

/** The name that a reference to another declaration consists of. */
function nameIn(node: Node): Node | undefined {
  if (isTypeReferenceNode(node)) return node.typeName
  if (isImportTypeNode(node)) return node.qualifier
  if (isTypeQueryNode(node)) return node.exprName
  return isExpressionWithTypeArguments(node) ? node.expression : undefined
}

function isExported(node: Node): boolean {
  const { modifiers = [] } = node as { readonly modifiers?: readonly Node[] }
  return modifiers.some(({ kind }) => kind === SyntaxKind.ExportKeyword)
}
