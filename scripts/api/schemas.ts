import {
  isArrayTypeNode,
  isInterfaceDeclaration,
  isLiteralTypeNode,
  isParenthesizedTypeNode,
  isPropertySignatureDeclaration,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isTypeOperatorNode,
  isTypeReferenceNode,
  isUnionTypeNode,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast'
import type { Symbol as Sym } from 'typescript/unstable/sync'
import { Declarations } from './declarations.ts'

/** A JSON Schema (2020-12), as far as the types of the admin API need one. */
export interface Schema {
  readonly [keyword: string]: unknown
}

const FILES = [
  'admin-http/api-types.d.ts',
  'admin-http/api-events.d.ts',
  'admin-http/api-operations.d.ts',
  'admin-http/api-history.d.ts',
  'admin-http/api-storage.d.ts',
]
/** Bodies are refused when they have a member more; answers may get more in time. */
const BODY = /Body$/

/** A schema for each type that the admin API answers or takes, by its name, from `src/admin-http/api-*.ts`. */
export function readSchemas(): Readonly<Record<string, Schema>> {
  using declarations = new Declarations()
  const symbols = new Map(
    FILES.flatMap((file) => declarations.exportsOf(file)).map((one) => [one.name, declarations.target(one)]),
  )
  const reader = new SchemaReader(declarations, new Set(symbols.keys()))
  return Object.fromEntries(
    [...symbols].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, symbol]) => [name, reader.schemaOf(symbol)]),
  )
}

/** The file as it is in the repository: `src/admin-http/api-schemas.json`. */
export function schemaFile(schemas: Readonly<Record<string, Schema>>): string {
  return `${JSON.stringify(schemas, undefined, 2)}\n`
}

interface Property {
  readonly name: string
  readonly optional: boolean
  readonly schema: Schema
}

class SchemaReader {
  readonly #declarations: Declarations
  readonly #named: ReadonlySet<string>

  constructor(declarations: Declarations, named: ReadonlySet<string>) {
    this.#declarations = declarations
    this.#named = named
  }

  schemaOf(symbol: Sym): Schema {
    const node = this.#nodeOf(symbol)
    const described = descriptionOf(this.#declarations.commentOf(symbol))
    if (isTypeAliasDeclaration(node)) {
      const format = /@format (\S+)/.exec((node.jsDoc ?? []).map((one) => one.getText()).join())?.[1]
      return { ...described, ...this.#ofType(node.type), ...(format && { format }) }
    }
    return { ...described, ...objectOf(this.#propertiesOf(symbol), BODY.test(symbol.name)) }
  }

  #nodeOf(symbol: Sym): Node {
    const [node] = this.#declarations.nodesOf(symbol)
    if (node === undefined) throw new Error(`${symbol.name} is declared nowhere`)
    return node
  }

  /** Those of what it extends come first. */
  #propertiesOf(symbol: Sym): readonly Property[] {
    const node = this.#nodeOf(symbol)
    if (!isInterfaceDeclaration(node)) throw new Error(`${symbol.name} is no interface`)
    const bases = (node.heritageClauses ?? []).flatMap((clause) => [...clause.types])
    const inherited = bases.flatMap((base) => {
      const meant = this.#declarations.meaning((base as unknown as { readonly expression: Node }).expression)
      return meant === undefined ? [] : this.#propertiesOf(meant)
    })
    const own = [...node.members].map((member) => this.#property(member))
    const names = new Set(own.map(({ name }) => name))
    return [...inherited.filter(({ name }) => !names.has(name)), ...own]
  }

  #property(node: Node): Property {
    if (!isPropertySignatureDeclaration(node) || node.type === undefined) {
      throw new Error(`${node.getText()} is no property with a type`)
    }
    const symbol = this.#declarations.project.checker.getSymbolAtLocation(node.name)
    const described = descriptionOf(symbol === undefined ? '' : this.#declarations.commentOf(symbol))
    const optional = node.postfixToken?.kind === SyntaxKind.QuestionToken
    return { name: node.name.getText(), optional, schema: { ...described, ...this.#ofType(node.type) } }
  }

  #ofType(node: Node): Schema {
    if (isParenthesizedTypeNode(node)) return this.#ofType(node.type)
    // `readonly T[]`
    if (isTypeOperatorNode(node)) return this.#ofType(node.type)
    if (isArrayTypeNode(node)) return { type: 'array', items: this.#ofType(node.elementType) }
    if (isTypeLiteralNode(node)) return objectOf([...node.members].map((member) => this.#property(member)))
    if (isUnionTypeNode(node)) return unionOf([...node.types].map((one) => this.#ofType(one)))
    if (isLiteralTypeNode(node)) return literalOf(node.literal)
    if (isTypeReferenceNode(node)) return this.#ofReference(node.typeName, [...(node.typeArguments ?? [])])
    const type = KEYWORDS.get(node.kind)
    if (type === undefined) throw new Error(`no schema is known for ${node.getText()}`)
    return type
  }

  #ofReference(name: Node, given: readonly Node[]): Schema {
    const [first, second] = given
    switch (name.getText()) {
      case 'Readonly':
        if (first) return this.#ofType(first)
        break
      case 'Record':
        if (first && second) return this.#recordOf(first, second)
        break
      case 'Omit':
        if (first && second) return this.#omitted(first, second)
        break
      default: {
        if (this.#named.has(name.getText())) return { $ref: `#/components/schemas/${name.getText()}` }
        const meant = this.#declarations.meaning(name)
        if (meant !== undefined) return this.schemaOf(meant)
      }
    }
    throw new Error(`no schema is known for ${name.getText()}`)
  }

  #recordOf(names: Node, values: Node): Schema {
    if (values.kind === SyntaxKind.NeverKeyword) return objectOf([], true)
    const schema = this.#ofType(values)
    if (names.kind === SyntaxKind.StringKeyword) return { type: 'object', additionalProperties: schema }
    return objectOf(this.#textsOf(names).map((name) => ({ name, optional: false, schema })))
  }

  #omitted(type: Node, names: Node): Schema {
    const meant = isTypeReferenceNode(type) ? this.#declarations.meaning(type.typeName) : undefined
    if (meant === undefined) throw new Error(`${type.getText()} is no name`)
    const without = this.#textsOf(names)
    return objectOf(this.#propertiesOf(meant).filter(({ name }) => !without.includes(name)))
  }

  /** The texts of a union of them. */
  #textsOf(node: Node): readonly string[] {
    if (isTypeReferenceNode(node)) {
      const meant = this.#declarations.meaning(node.typeName)
      const declared = meant && this.#nodeOf(meant)
      if (declared && isTypeAliasDeclaration(declared)) return this.#textsOf(declared.type)
    }
    const { enum: texts = [], const: only } = this.#ofType(node) as {
      readonly enum?: unknown[]
      readonly const?: unknown
    }
    return [...texts, ...(only === undefined ? [] : [only])].map(String)
  }
}

const KEYWORDS: ReadonlyMap<SyntaxKind, Schema> = new Map([
  [SyntaxKind.StringKeyword, { type: 'string' }],
  [SyntaxKind.NumberKeyword, { type: 'number' }],
  [SyntaxKind.BooleanKeyword, { type: 'boolean' }],
  [SyntaxKind.UnknownKeyword, {}],
])

function descriptionOf(comment: string): Schema {
  return comment === '' ? {} : { description: comment }
}

function literalOf(node: Node): Schema {
  if (node.kind === SyntaxKind.NullKeyword) return { type: 'null' }
  return { const: JSON.parse(node.getText().replace(/^'(.*)'$/, '"$1"')) as unknown }
}

function objectOf(properties: readonly Property[], closed = false): Schema {
  const required = properties.filter(({ optional }) => !optional).map(({ name }) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(properties.map(({ name, schema }) => [name, schema])),
    ...(required.length > 0 && { required }),
    ...(closed && { additionalProperties: false }),
  }
}

/** Literals become an enum, plain types a list of types; only what is neither needs `anyOf`. */
function unionOf(schemas: readonly Schema[]): Schema {
  const isNull = ({ type }: Schema): boolean => type === 'null'
  const rest = schemas.filter((one) => !isNull(one))
  const nulls = schemas.filter(isNull)
  if (rest.length > 1 && rest.every((one) => 'const' in one)) {
    return { enum: [...rest.map((one) => one['const']), ...(nulls.length > 0 ? [null] : [])] }
  }
  if (schemas.every((one) => Object.keys(one).length === 1 && typeof one['type'] === 'string')) {
    return { type: schemas.map((one) => one['type']) }
  }
  return { anyOf: schemas }
}
