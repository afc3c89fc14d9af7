import {
  isClassDeclaration,
  isConstructorDeclaration,
  isInterfaceDeclaration,
  isPrivateIdentifier,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isUnionTypeNode,
  type Node,
  type NodeArray,
  SyntaxKind,
} from 'typescript/unstable/ast'
import { SignatureKind, type Symbol as Sym, SymbolFlags, type Type, TypeFlags } from 'typescript/unstable/sync'
import { type Declarations, IN_FULL, isOptions, oneLine, textOf } from './declarations.ts'

/** A member of an interface, a class or an options type. */
export interface Member {
  readonly name: string
  /** As it is declared, on one line: `timeout?: number`. */
  readonly signature: string
  readonly optional: boolean
  /** Whether undefined may be given, as `process.env.URL` may be. */
  readonly takesUndefined: boolean
  readonly comment: string
}

/** What a user may give, read or call; for a type that is no object, nothing. */
export function membersOf(declarations: Declarations, symbol: Sym, exported: ReadonlySet<string>): readonly Member[] {
  const members = declarations.nodesOf(symbol).flatMap((node): readonly Member[] => {
    if (isInterfaceDeclaration(node) || isClassDeclaration(node)) {
      const members = written(declarations, node.members).map((member) =>
        member.comment === '' ? { ...member, comment: commentOfBase(declarations, node, member.name) } : member,
      )
      return [...members, ...inherited(declarations, node, exported)]
    }
    if (!isTypeAliasDeclaration(node) || isUnionTypeNode(node.type)) return []
    return isTypeLiteralNode(node.type) ? written(declarations, node.type.members) : computed(declarations, symbol)
  })
  // What nobody can give is there so that a mistake does not compile.
  return members.filter(({ signature }) => !/^[\w$]+\?: (undefined|never)$/.test(signature))
}

function written(declarations: Declarations, nodes: NodeArray<Node>): readonly Member[] {
  return [...nodes].flatMap((node): readonly Member[] => {
    if (isPrivate(node) || isInternal(node)) return []
    const name = (node as { readonly name?: Node }).name
    const symbol = name && declarations.project.checker.getSymbolAtLocation(name)
    return [
      {
        name: isConstructorDeclaration(node) ? 'constructor' : (name?.getText() ?? ''),
        signature: textOf(node).replace(/^(readonly|get|override|declare) /g, ''),
        optional: symbol !== undefined && (symbol.flags & SymbolFlags.Optional) !== 0,
        takesUndefined: symbol !== undefined && takesUndefined(declarations, symbol),
        comment: symbol ? declarations.commentOf(symbol) : commentAbove(node),
      },
    ]
  })
}

/** What a base says of a member of the same name. */
function commentOfBase(declarations: Declarations, node: Node, name: string): string {
  for (const base of basesOf(declarations, node)) {
    const members = declarations
      .nodesOf(base)
      .flatMap((one) => [...((one as { members?: NodeArray<Node> }).members ?? [])])
    const same = members.filter((one) => (one as { readonly name?: Node }).name?.getText() === name)
    const [comment] = written(declarations, same as unknown as NodeArray<Node>).map((member) => member.comment)
    if (comment) return comment
  }
  return ''
}

/** What a class or an interface extends or implements, of ours. */
function basesOf(declarations: Declarations, node: Node): readonly Sym[] {
  const { heritageClauses = [] } = node as { readonly heritageClauses?: readonly { readonly types: readonly Node[] }[] }
  const types = heritageClauses.flatMap((clause) => clause.types)
  return types.flatMap((type) => {
    const base = declarations.meaning((type as unknown as { readonly expression: Node }).expression)
    return base && declarations.originOf(base) !== undefined ? [base] : []
  })
}

/** The comment of what has no name: `(request): Response`, `[name: string]: Value`. */
function commentAbove({ jsDoc = [] }: Node): string {
  return oneLine(jsDoc.map((one) => one.getText().replace(/^\/\*\*|\*\/$|^ *\*(?!\/)/gm, '')).join(' ')).replace(
    / +/g,
    ' ',
  )
}

/** The members of a base that no entry exports: nobody could look them up there. */
function inherited(declarations: Declarations, node: Node, exported: ReadonlySet<string>): readonly Member[] {
  return basesOf(declarations, node).flatMap((base) =>
    exported.has(declarations.originOf(base) ?? '') ? [] : membersOf(declarations, base, exported),
  )
}

/** The properties of a type that is computed from others, as options are from their table. */
function computed(declarations: Declarations, symbol: Sym): readonly Member[] {
  const { checker } = declarations.project
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  if (!type.isObjectType() && !type.isIntersectionType()) return []
  if (checker.isArrayLikeType(type) || checker.getSignaturesOfType(type, SignatureKind.Call).length > 0) return []
  return propertiesOf(declarations, type, '')
}

/** The properties of a type, and behind an option those of the options within it that no entry names. */
function propertiesOf(declarations: Declarations, type: Type, path: string): readonly Member[] {
  const { checker } = declarations.project
  return checker.getPropertiesOfType(type).flatMap((property) => {
    // A `Record`, a `Map`: what they have is no member of ours.
    if (declarations.originOf(property) === undefined) return []
    const optional = (property.flags & SymbolFlags.Optional) !== 0
    const given = checker.getTypeOfSymbol(property)
    const name = `${path}${property.name}`
    const nested = given ? optionsIn(declarations, given) : []
    let shown = given ? checker.typeToString(given, undefined, IN_FULL) : 'unknown'
    for (const one of nested) {
      shown = shown.replaceAll(checker.typeToString(one, undefined, IN_FULL), declarations.nameOf(one) ?? '{ ... }')
    }
    return [
      {
        name,
        signature: `${name}${optional ? '?' : ''}: ${optional ? shown.replace(/ \| undefined$/, '') : shown}`,
        optional,
        takesUndefined: takesUndefined(declarations, property),
        comment: declarations.commentOf(property),
      },
      ...nested
        .filter((one) => declarations.nameOf(one) === undefined)
        .flatMap((one) => propertiesOf(declarations, one, `${name}.`)),
    ]
  })
}

/** The types of options that a type is, or that it is a choice, a list or a record of. */
function optionsIn(declarations: Declarations, type: Type): readonly Type[] {
  if (isOptions(type)) return [type]
  if (type.isUnionType()) return type.getTypes().flatMap((one) => optionsIn(declarations, one))
  const { checker } = declarations.project
  const isList = type.isObjectType() && checker.isArrayLikeType(type) && type.isTypeReference()
  const parts = isList ? checker.getTypeArguments(type) : type.getAliasTypeArguments()
  return parts.flatMap((one) => optionsIn(declarations, one))
}

/** What may only be left out has another `undefined` in its type than what may be undefined. */
function takesUndefined({ project: { checker } }: Declarations, member: Sym): boolean {
  const type = checker.getTypeOfSymbol(member)
  const { id } = checker.getUndefinedType()
  if (type === undefined) return false
  return (type.isUnionType() ? type.getTypes() : [type]).some(
    (one) => one.id === id || one.flags & TypeFlags.AnyOrUnknown,
  )
}

/** What a class keeps to itself. */
export function isPrivate(node: Node): boolean {
  const { name, modifiers = [] } = node as { readonly name?: Node; readonly modifiers?: readonly Node[] }
  return (
    (name !== undefined && isPrivateIdentifier(name)) ||
    modifiers.some(({ kind }) => kind === SyntaxKind.PrivateKeyword)
  )
}

/** What other parts of the package call, and nobody else: tagged `@internal`. */
export function isInternal({ jsDoc = [] }: Node): boolean {
  return jsDoc.some((comment) => /^ *\*? *@internal\b/m.test(comment.getText().replace('/**', '')))
}
