import type { JSX } from 'preact'
import type { DryRunAnswer } from '../../api/types.ts'
import { Figures } from '../../parts/number.tsx'
import { Time } from '../../parts/time.tsx'
import { durationText } from '../../words/duration.ts'
import { keyText, shortId } from '../../words/event-state.ts'
import { countText, numberText } from '../../words/number.ts'
import { addressOfEvent } from '../events/event-table.tsx'

interface Props {
  readonly found: DryRunAnswer
  readonly rate: number | null
  readonly canUndo: string
}

/** What would happen: how many, which keys, how long, and some of the events. */
export function DryRun({ found, rate, canUndo }: Props): JSX.Element {
  return (
    <>
      {found.sample.length === 0 ? null : (
        <section class="scroll" aria-label="Some of the events, spread over the match" tabIndex={0}>
          <table class="tbl">
            <thead>
              <tr>
                <th scope="col">Some of them, spread</th>
                <th scope="col">Key</th>
                <th scope="col" class="num">
                  Stored
                </th>
                <th scope="col" class="num hide-s">
                  Id
                </th>
              </tr>
            </thead>
            <tbody>
              {found.sample.map((event) => (
                <tr key={event.id}>
                  <th scope="row">
                    <a href={addressOfEvent(event.id)}>{event.type}</a>
                  </th>
                  <td class="mono">{keyText(event)}</td>
                  <td class="num">
                    <Time at={event.createdAt} />
                  </td>
                  <td class="num mono quiet hide-s" title={event.id}>
                    {shortId(event.id)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <dl class="stats">
        <div>
          <dt>Keys</dt>
          <dd>{countText(found.keys)}</dd>
        </div>
        <div>
          <dt>{rate === null ? 'Pace' : `At ${numberText(rate)} /s`}</dt>
          <dd>
            {rate === null ? (
              <small>as fast as it goes</small>
            ) : (
              <Figures text={durationText((found.count / rate) * 1_000)} />
            )}
          </dd>
        </div>
        <div>
          <dt>Left alone</dt>
          <dd>
            {found.unchanged === null ? '–' : numberText(found.unchanged)}
            <small>their status forbids it</small>
          </dd>
        </div>
        <div>
          <dt>Can be undone</dt>
          <dd>
            <small>{canUndo}</small>
          </dd>
        </div>
      </dl>
    </>
  )
}
