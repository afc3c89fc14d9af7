import type { JSX } from 'preact'
import type { Problem } from '../api/problem.ts'
import { Icon } from './icon.tsx'

/** Whether the server's answer is about the filter: it stands at the box, and the list keeps still. */
export const isMistake = (problem: Problem | undefined): problem is Problem =>
  problem !== undefined && (problem.at !== undefined || problem.code === 'INVALID_FILTER' || problem.field === 'q')

/** Points at the character. Nothing was run. */
export function FilterMistake({
  id,
  filter,
  problem,
}: {
  readonly id: string
  readonly filter: string
  readonly problem: Problem
}): JSX.Element {
  const { at } = problem
  const end = problem.end ?? filter.length
  return (
    <p class="error" id={id} role="alert">
      <Icon name="wrong" />
      <span>
        {at === undefined ? null : (
          <>
            <span class="squiggle">
              {filter.slice(0, at)}
              <u>{filter.slice(at, end) || '\u00a0'}</u>
              {filter.slice(end)}
            </span>{' '}
            at character {at + 1}:{' '}
          </>
        )}
        {problem.message}
      </span>
    </p>
  )
}
