import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { now } from '../../api/clock.ts'
import type { OperationRow } from '../../api/types.ts'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { durationText } from '../../words/duration.ts'
import { numberText, rateText, shareText } from '../../words/number.ts'
import { OperationButtons, stateOf } from './operation-buttons.tsx'

/** How far an operation is, in words and as a bar. */
export function Progress({ row, again }: { readonly row: OperationRow; readonly again: () => void }): JSX.Element {
  const heading = useId()
  const { total, done, unchanged } = row
  return (
    <article class="op" aria-labelledby={heading}>
      <div class="op-top">
        <h3 id={heading}>
          <a href={`operations/${row.id}`}>#{row.id}</a> {row.do.charAt(0).toUpperCase() + row.do.slice(1)}{' '}
          <code class="break">{row.q || 'all events'}</code>
        </h3>
        <State name={stateOf(row)} />
        <span class="quiet">
          by {row.by}, since <Time at={row.startedAt} />
        </span>
        <span class="grow" />
        <div class="btns">
          <OperationButtons row={row} again={again} />
        </div>
      </div>
      <progress
        {...(total === null ? {} : { max: Math.max(1, total), value: Math.min(total, done + unchanged) })}
        aria-labelledby={heading}
      />
      <p class="soft">
        <b>{numberText(done)}</b>
        {total === null
          ? ' done'
          : ` of ${numberText(total)} (${shareText(total === 0 ? 1 : (done + unchanged) / total)})`}
        {paceText(row, now.value)}
        {unchanged === 0 ? '' : ` · ${numberText(unchanged)} left alone`}
      </p>
      {row.error === null ? null : <p class="error">{row.error}</p>}
    </article>
  )
}

/** ` · 4,910 /s · about 17 s left`, from what was done since it began. Pure. */
export function paceText({ state, startedAt, done, unchanged, total }: OperationRow, at: number): string {
  const seconds = (at - Date.parse(startedAt)) / 1_000
  const seen = done + unchanged
  if (state !== 'running' || seconds < 1 || seen === 0) return ''
  const pace = seen / seconds
  const left = total === null ? '' : ` · about ${durationText(((total - seen) / pace) * 1_000)} left`
  return ` · ${rateText(pace)} /s${left}`
}
