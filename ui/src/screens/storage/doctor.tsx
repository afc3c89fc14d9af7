import type { JSX } from 'preact'
import type { FindingRow, FindingsAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Panel } from '../../parts/panel.tsx'
import { State } from '../../parts/state.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'

const LEVELS = ['wrong', 'advice', 'fine']

/** A cure that can be pasted somewhere: a command or a statement. */
const isCode = (cure: string): boolean => /^(?:npx |broadcaster |[A-Z]{4,} )/.test(cure)

/** What doctor found, and what mends it. */
export function Doctor(): JSX.Element {
  const asked = useAsk<FindingsAnswer>('findings', { again: 'yes' })
  return (
    <Panel
      title="Doctor"
      id="doctor"
      note={
        asked.answer?.at == null ? undefined : (
          <>
            looked at <Time at={asked.answer.at} />
          </>
        )
      }
      end={
        <button type="button" class="btn btn--small" onClick={asked.again}>
          Look again
        </button>
      }
    >
      <Answered asked={asked} what="the findings">
        {({ findings }) =>
          findings.length === 0 ? (
            <Empty title="Nothing found">
              <p>No check has anything to say.</p>
            </Empty>
          ) : (
            <Table
              labelledBy="doctor"
              head={
                <>
                  <Th>Finding</Th>
                  <Th>What it means</Th>
                  <Th>What to do</Th>
                </>
              }
            >
              {findings
                .toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level))
                .map((finding) => (
                  <Row key={finding.code + finding.message} finding={finding} />
                ))}
            </Table>
          )
        }
      </Answered>
    </Panel>
  )
}

function Row({ finding: { code, level, message, cure } }: { readonly finding: FindingRow }): JSX.Element {
  const name = code.replaceAll('-', ' ')
  return (
    <tr role="row">
      <Rh class="nowrap">
        <State name={level} text={name.charAt(0).toUpperCase() + name.slice(1)} />
      </Rh>
      <Td class="break">{message}</Td>
      <Td class={cure === null ? 'quiet' : 'break'}>
        {cure === null ? (
          'Nothing to do'
        ) : isCode(cure) ? (
          <div class="btns sql">
            <code class="break">{cure}</code>
            <CopyButton text={cure} what="cure" />
          </div>
        ) : (
          cure
        )}
      </Td>
    </tr>
  )
}
