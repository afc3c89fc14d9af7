import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { act } from '../../api/act.ts'
import { post } from '../../api/ask.ts'
import { has } from '../../api/session.ts'
import type {
  ConsumerRow,
  ConsumersAnswer,
  DeadLetterResult,
  DeadLetterRow,
  DeadLettersAnswer,
} from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered, NotThere } from '../../parts/asked.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Head, Panel, Untitled } from '../../parts/panel.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { useTitle } from '../../place/title.ts'
import { bytesText } from '../../words/number.ts'

export function Consumers(): JSX.Element {
  const isThere = has('consumers')
  const asked = useAsk<ConsumersAnswer>(isThere ? 'consumers' : undefined)
  useTitle('Consumers')
  return (
    <>
      <Head title="Consumers" text="The receiving half of this service: what each reads, and what it gave up on." />
      {isThere ? (
        asked.answer !== undefined && asked.answer.consumers.length > 0 ? (
          asked.answer.consumers.map((row) => <Consumer key={row.name} row={row} />)
        ) : (
          <Untitled label="Consumers">
            <Answered asked={asked} what="the consumers">
              {() => (
                <Empty icon="consumers" title="No consumer is known here">
                  <p>
                    Consumers are known by the <code>subscriptions</code> of the Broadcaster that this admin is for.
                  </p>
                </Empty>
              )}
            </Answered>
          </Untitled>
        )
      ) : (
        <Untitled label="Consumers">
          <NotThere what="consumers" />
        </Untitled>
      )}
    </>
  )
}

function Consumer({ row }: { readonly row: ConsumerRow }): JSX.Element {
  const [after, setAfter] = useState('')
  const path =
    row.deadLetters && has('deadLetters') ? `consumers/${encodeURIComponent(row.name)}/dead-letters` : undefined
  const asked = useAsk<DeadLettersAnswer>(path, { after })
  const requeue = async (letters: readonly DeadLetterRow[]): Promise<void> => {
    await act('The requeue', async () => {
      const ids = letters.map(({ id }) => id)
      const { results } = await post<DeadLetterResult>(`consumers/${encodeURIComponent(row.name)}/requeue`, { ids })
      const done = results.filter(({ requeued }) => requeued).length
      return `${done} of ${ids.length} handed to ${row.name} again`
    })
    asked.again()
  }
  return (
    <Panel title={row.name} note={row.description}>
      {path === undefined ? (
        <Empty icon="cancelled" title="Its dead letters cannot be listed">
          <p>The broker or its subscription keeps none that can be read from here.</p>
        </Empty>
      ) : (
        <Answered asked={asked} what="its dead letters" lines={3}>
          {({ letters, next }) =>
            letters.length === 0 ? (
              <Empty title="No dead letter">
                <p>It has given up on nothing.</p>
              </Empty>
            ) : (
              <>
                <DeadLetters letters={letters} name={row.name} />
                <footer>
                  <DoButton icon="requeue" onDo={() => void requeue(letters)}>
                    Requeue {letters.length === 1 ? 'it' : `these ${letters.length}`}
                  </DoButton>
                  <span class="soft">hands them to {row.name} again</span>
                  <span class="grow" />
                  {next === null ? null : (
                    <button type="button" class="btn" onClick={() => setAfter(next)}>
                      Next page
                    </button>
                  )}
                </footer>
              </>
            )
          }
        </Answered>
      )}
    </Panel>
  )
}

function DeadLetters({
  letters,
  name,
}: {
  readonly letters: readonly DeadLetterRow[]
  readonly name: string
}): JSX.Element {
  return (
    <Table
      label={`Dead letters of ${name}`}
      head={
        <>
          <Th>Event</Th>
          <Th>Error</Th>
          <Th class="num">Attempts</Th>
          <Th class="num hide-s">Size</Th>
          <Th class="hide-m">Position</Th>
        </>
      }
    >
      {letters.map((letter) => {
        const size = bytesText(letter.size)
        return (
          <tr key={letter.id} role="row">
            <Rh class="break">
              {letter.type ?? 'no event'}
              <span class="sub mono break">{letter.eventId ?? letter.problem ?? letter.id}</span>
            </Rh>
            <Td class="break soft">{letter.error}</Td>
            <Td class="num" h="Attempts">
              {letter.attempts}
            </Td>
            <Td class="num hide-s">{`${size.value} ${size.unit}`}</Td>
            <Td class="mono quiet hide-m hide-s">{letter.position}</Td>
          </tr>
        )
      })}
    </Table>
  )
}
