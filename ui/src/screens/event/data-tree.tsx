import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { Icon } from '../../parts/icon.tsx'
import type { JsonNode } from '../../words/json-tree.ts'
import { numberText } from '../../words/number.ts'

/** Of a long array or object, so many are shown at first. */
const FIRST = 100
/** Levels that are open at first. */
const OPEN = 3

/** Whether a rule hid it: rules may mean each element, `$.items[*].iban`. */
const isMasked = (path: string, masked: ReadonlySet<string>): boolean =>
  masked.size > 0 && (masked.has(path) || masked.has(path.replace(/\[\d+\]/g, '[*]')))

/** A step of a path, as the rules write it. */
const step = (name: string): string =>
  /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`

interface Props {
  readonly node: JsonNode
  readonly masked: ReadonlySet<string>
}

/** Data as a tree that opens and closes; nothing of it is ever rendered as markup. */
export function DataTree({ node, masked }: Props): JSX.Element {
  return (
    <section class="tree" tabIndex={0} aria-label="Data as a tree">
      <Branch node={node} path="$" depth={0} masked={masked} />
    </section>
  )
}

interface BranchProps extends Props {
  readonly name?: string
  readonly path: string
  readonly depth: number
}

function Branch({ node, name, path, depth, masked }: BranchProps): JSX.Element {
  const [isOpen, setIsOpen] = useState(depth < OPEN)
  const [shown, setShown] = useState(FIRST)
  const label = name === undefined ? null : <span class="k">{name}</span>
  if (isMasked(path, masked)) {
    return (
      <div class="leaf">
        {label}: <Masked />
      </div>
    )
  }
  if (node.kind === 'string' || node.kind === 'number' || node.kind === 'word') {
    return (
      <div class="leaf">
        {label}
        {label === null ? '' : ': '}
        <Leaf node={node} />
      </div>
    )
  }
  const children =
    node.kind === 'object'
      ? node.entries.map((one) => ({ name: one.name, node: one.node, path: path + step(one.name) }))
      : node.items.map((one, index) => ({ name: String(index), node: one, path: `${path}[${index}]` }))
  const [left, right] = node.kind === 'object' ? ['{', '}'] : ['[', ']']
  return (
    <details open={isOpen} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>
        {label} <span class="c">{`${left} ${numberText(children.length)} ${right}`}</span>
      </summary>
      {isOpen && children.length > 0 ? (
        <ul>
          {children.slice(0, shown).map((child, index) => (
            <li key={`${index} ${child.name}`}>
              <Branch {...child} depth={depth + 1} masked={masked} />
            </li>
          ))}
          {children.length > shown ? (
            <li>
              <button type="button" class="btn btn--small" onClick={() => setShown(shown + 10 * FIRST)}>
                {numberText(children.length - shown)} more
              </button>
            </li>
          ) : null}
        </ul>
      ) : null}
    </details>
  )
}

function Leaf({ node }: { readonly node: Exclude<JsonNode, { kind: 'object' | 'array' }> }): JSX.Element {
  if (node.kind === 'string') return <span class="s">{JSON.stringify(node.value)}</span>
  return <span class={node.kind === 'number' ? 'd' : 'w'}>{node.text}</span>
}

const Masked = (): JSX.Element => (
  <span class="masked">
    <Icon name="masked" />
    masked
  </span>
)
