import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import type { EventDetail } from '../../api/types.ts'
import { Panel } from '../../parts/panel.tsx'
import { hexText } from '../../words/hex.ts'
import { type JsonNode, jsonText, jsonTree } from '../../words/json-tree.ts'
import { bytesText } from '../../words/number.ts'
import { DataTree } from './data-tree.tsx'

/** Of text and bytes, so much is shown: more than anybody reads, and a browser lays out at once. */
const MOST_TEXT = 200_000
const MOST_BYTES = 4_096

/** What the event carries: as a tree, as text, or as bytes. Never rendered. */
export function Data({ event }: { readonly event: EventDetail }): JSX.Element {
  const [asText, setAsText] = useState(false)
  const { dataText, dataBase64, dataContentType, dataSize, masked } = event
  const tree = useMemo(() => (dataText === null ? undefined : jsonTree(dataText)), [dataText])
  const { value, unit } = bytesText(dataSize)
  const note = `${value} ${unit}${dataContentType === '' ? '' : `, ${dataContentType}`}`
  const isMasked = dataText === null && dataBase64 === null && masked.length > 0
  return (
    <Panel
      title="Data"
      note={note}
      padded
      end={
        tree === undefined ? undefined : (
          <fieldset class="seg">
            <legend class="vh">Shown as</legend>
            <button type="button" aria-pressed={!asText} onClick={() => setAsText(false)}>
              Tree
            </button>
            <button type="button" aria-pressed={asText} onClick={() => setAsText(true)}>
              Text
            </button>
          </fieldset>
        )
      }
    >
      {isMasked ? (
        <p class="quiet">All of it is masked by a rule. Whoever configured this admin decides who sees it.</p>
      ) : dataBase64 !== null ? (
        <Bytes base64={dataBase64} size={dataSize} />
      ) : tree !== undefined && !asText ? (
        <DataTree node={tree} masked={new Set(masked)} />
      ) : (
        <Text tree={tree} text={dataText ?? ''} />
      )}
      {masked.length > 0 && !isMasked ? (
        <p class="small quiet">
          {masked.length === 1 ? 'One value is' : `${masked.length} values are`} masked by a rule:{' '}
          <code class="break">{masked.join(', ')}</code>
        </p>
      ) : null}
    </Panel>
  )
}

function Text({ tree, text }: { readonly tree: JsonNode | undefined; readonly text: string }): JSX.Element {
  const shown = tree === undefined ? text : jsonText(tree)
  if (shown === '') return <p class="quiet">It has none.</p>
  return (
    <>
      <pre class="code" tabIndex={0} role="region" aria-label="Data as text">
        {shown.slice(0, MOST_TEXT)}
      </pre>
      {shown.length > MOST_TEXT ? (
        <p class="small quiet">The rest is not shown; “Copy as JSON” has all of it.</p>
      ) : null}
    </>
  )
}

function Bytes({ base64, size }: { readonly base64: string; readonly size: number }): JSX.Element {
  const bytes = Uint8Array.from(atob(base64.slice(0, MOST_BYTES * 2)), (sign) => sign.charCodeAt(0)).slice(
    0,
    MOST_BYTES,
  )
  return (
    <>
      <pre class="code" tabIndex={0} role="region" aria-label="Data as bytes">
        {hexText(bytes)}
      </pre>
      {size > bytes.length ? <p class="small quiet">The first {MOST_BYTES} bytes.</p> : null}
    </>
  )
}
