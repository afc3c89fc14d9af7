import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { status } from '../../api/live.ts'
import { has } from '../../api/session.ts'
import type { StorageAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered, NotThere } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Nothing, WithUnit } from '../../parts/number.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { bytesText, estimateText, numberText } from '../../words/number.ts'
import { Doctor } from './doctor.tsx'

export function Storage(): JSX.Element {
  const isThere = has('storage')
  const asked = useAsk<StorageAnswer>(isThere ? 'storage' : undefined)
  const bytes = asked.answer?.tables.reduce((all, one) => all + one.bytes, 0) ?? 0
  const size = bytesText(bytes)
  const title = bytes === 0 ? 'Storage' : `${size.value} ${size.unit} in the database`
  useTitle(title)
  const isAnswered = asked.answer !== undefined || !isThere
  useEffect(() => {
    const { hash } = place.peek()
    if (isAnswered && hash !== '') document.getElementById(hash)?.scrollIntoView()
  }, [isAnswered])
  const one = status.value
  const rows = asked.answer ?? one
  return (
    <>
      <Head
        title={title}
        text={[asked.answer?.description ?? one?.description, asked.answer?.place ?? one?.place]
          .filter(Boolean)
          .join(' at ')}
      />
      <Panel
        title="Tables"
        note={
          rows?.totalRowsIsEstimate === true
            ? 'rows from the database’s statistics; nothing is counted for this page'
            : undefined
        }
      >
        {isThere ? (
          <Answered asked={asked} what="the sizes">
            {(answer) => (answer.tables.length === 0 ? <NoSizes /> : <Tables answer={answer} />)}
          </Answered>
        ) : (
          <NotThere what="the sizes of its tables" />
        )}
      </Panel>
      {one === undefined ? null : (
        <Panel title="Schema" padded>
          <dl class="stats">
            <div>
              <dt>Version</dt>
              <dd>
                {one.schema.version}
                <small>
                  {one.schema.version === one.schema.latest ? 'the newest' : `the newest is ${one.schema.latest}`}
                </small>
              </dd>
            </div>
            <div>
              <dt>Lanes</dt>
              <dd>{one.schema.lanes ?? '–'}</dd>
            </div>
            <div>
              <dt>All rows</dt>
              <dd>{one.totalRowsIsEstimate ? estimateText(one.totalRows) : numberText(one.totalRows)}</dd>
            </div>
            <div>
              <dt>Indexes that are not ours</dt>
              <dd>{one.schema.extraIndexes.length}</dd>
            </div>
          </dl>
        </Panel>
      )}
      <Doctor />
    </>
  )
}

function Tables({ answer }: { readonly answer: StorageAnswer }): JSX.Element {
  const most = Math.max(1, ...answer.tables.map(({ bytes }) => bytes))
  return (
    <table class="tbl">
      <thead>
        <tr>
          <th scope="col">Table</th>
          <th scope="col" class="num">
            Rows
          </th>
          <th scope="col" class="num">
            Size
          </th>
          <th scope="col" class="num hide-s">
            Indexes
          </th>
          <th scope="col" class="hide-s">
            <span class="vh">Share</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {answer.tables.map(({ name, bytes, indexBytes, rows, indexes }) => {
          return (
            <tr key={name}>
              <th scope="row" class="mono break">
                {name}
                {indexes.length === 0 ? null : <Indexes name={name} indexes={indexes} />}
              </th>
              <td class="num">{rows === null ? <Nothing /> : estimateText(rows)}</td>
              <td class="num">
                <Bytes bytes={bytes} />
              </td>
              <td class="num hide-s">{indexBytes === null ? <Nothing /> : <Bytes bytes={indexBytes} />}</td>
              <td class="hide-s">
                <svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                  <rect class="b-none" width="100" height="8" />
                  <rect class="b-ink" width={(bytes / most) * 100} height="8" />
                </svg>
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

function Bytes({ bytes }: { readonly bytes: number }): JSX.Element {
  const { value, unit } = bytesText(bytes)
  return <WithUnit value={value} unit={unit} />
}

function Indexes({ name, indexes }: Pick<StorageAnswer['tables'][number], 'name' | 'indexes'>): JSX.Element {
  return (
    <details>
      <summary class="quiet small">
        {indexes.length} {indexes.length === 1 ? 'index' : 'indexes'}
        <span class="vh"> of {name}</span>
      </summary>
      <ul class="quiet small">
        {indexes.map((index) => (
          <li key={index.name} class="break">
            {index.name}: <Bytes bytes={index.bytes} />
          </li>
        ))}
      </ul>
    </details>
  )
}

function NoSizes(): JSX.Element {
  return (
    <Empty icon="cancelled" title="The sizes are not known">
      <p>The store keeps nothing on disk, or its role may not ask the database how large the tables are.</p>
    </Empty>
  )
}
