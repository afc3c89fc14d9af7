import type { InsertedRow } from '../../record/columns.ts'
import type { Outcome } from '../../store/relay-store.ts'

type Place = Pick<InsertedRow, 'id' | 'lane'>
type Of<Kind> = Extract<Outcome, { readonly kind: Kind }>
type Maker<Kind> = (row: Place, told?: Partial<Omit<Of<Kind>, 'kind'>>) => Of<Kind>

function maker<Kind extends Outcome['kind']>(kind: Kind, usual: object): Maker<Kind> {
  return ({ id, lane }, told = {}) => ({ kind, generation: 0, id, lane, ...usual, ...told }) as unknown as Of<Kind>
}

/** The outcome for a row, plainly unless told otherwise. */
export const outcome: { readonly [Kind in Outcome['kind']]: Maker<Kind> } = {
  published: maker('published', {}),
  retry: maker('retry', { retryCount: 1, delay: 60_000, error: 'no' }),
  failed: maker('failed', { retryCount: 1, blocks: true, error: 'bad' }),
  park: maker('park', { delay: null }),
  sending: maker('sending', { retryCount: 1 }),
  returned: maker('returned', { retryCount: 1 }),
}

/** Every kind of outcome but published: what only the owner of the lane may record. */
export function guardedOutcomes(row: Place): readonly Outcome[] {
  return [
    outcome.retry(row, { delay: 1000 }),
    outcome.failed(row, { error: 'no' }),
    outcome.park(row, { delay: 1000 }),
    outcome.sending(row),
    outcome.returned(row),
  ]
}
