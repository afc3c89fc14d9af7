import type { JSX } from 'preact'
import type { Searched } from '../api/types.ts'
import { estimateText, manyText, numberText } from '../words/number.ts'
import { Call } from './call.tsx'
import { Time } from './time.tsx'

interface Props {
  readonly searched: Searched
  readonly found: number
  readonly what: string
  readonly onGoOn?: (after: string) => void
}

/** How far a search looked that no index answers: it is not the end of the table, and says so. */
export function SearchedSoFar({ searched, found, what, onGoOn }: Props): JSX.Element {
  const { rows, ofAbout, goOn, until } = searched
  return (
    <div class="in pad">
      <Call
        tone="calm"
        level={3}
        role="status"
        title={
          goOn === null
            ? `${manyText(found, what)} found; all ${numberText(rows)} rows were searched`
            : `${manyText(found, what)} found in ${numberText(rows)} rows`
        }
        buttons={
          goOn === null || onGoOn === undefined ? undefined : (
            <button type="button" class="btn btn--small" onClick={() => onGoOn(goOn)}>
              Search on
            </button>
          )
        }
      >
        {goOn === null ? (
          'No index answers this filter.'
        ) : (
          <>
            Searched {numberText(rows)} of {ofAbout < 10_000 ? `about ${numberText(ofAbout)}` : estimateText(ofAbout)},
            from the newest back
            {until === null ? (
              ''
            ) : (
              <>
                {' '}
                to <Time at={until} />
              </>
            )}
            . Add <code>created:&lt;2d</code> to look at less.
          </>
        )}
      </Call>
    </div>
  )
}
