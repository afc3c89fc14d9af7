import type { ComponentChildren } from 'preact'
import type { EventRow } from '../../api/types.ts'
import { Nothing } from '../../parts/number.tsx'
import { Age, Time } from '../../parts/time.tsx'
import { keyText, shortId } from '../../words/event-state.ts'
import type { Column } from './columns.ts'

interface Cell {
  readonly head: string
  readonly cell: string
  readonly title?: (event: EventRow) => string
  readonly value: (event: EventRow) => ComponentChildren
}

const orNothing = (text: string): ComponentChildren => (text === '' ? <Nothing /> : text)

/** What each column of the list shows; on a phone the type, the status, the error and the age are left. */
export const CELLS: Readonly<Record<Column, Cell>> = {
  key: {
    head: 'c-key hide-s',
    cell: 'cut mono hide-s',
    title: (event) => event.key ?? (event.keyHash === null ? '' : `hash ${event.keyHash}`),
    value: (event) => orNothing(keyText(event)),
  },
  backend: {
    head: 'c-back hide-s',
    cell: 'cut hide-s',
    title: ({ backend }) => backend,
    value: ({ backend }) => backend,
  },
  subject: {
    head: 'c-key hide-s',
    cell: 'cut hide-s',
    title: ({ subject }) => subject,
    value: ({ subject }) => orNothing(subject),
  },
  source: { head: 'c-key hide-s', cell: 'cut hide-s', title: ({ source }) => source, value: ({ source }) => source },
  attempts: {
    head: 'num c-num hide-m',
    cell: 'num hide-m',
    value: ({ retryCount, maxRetries }) => (retryCount === 0 ? <Nothing /> : `${retryCount} / ${maxRetries}`),
  },
  error: {
    head: '',
    cell: 'cut e-why soft',
    title: ({ lastError }) => lastError,
    value: ({ lastError }) =>
      lastError === '' ? (
        <span class="hide-s">
          <Nothing />
        </span>
      ) : (
        lastError
      ),
  },
  due: { head: 'num c-time hide-m', cell: 'num hide-m', value: ({ dueAt }) => <Time at={dueAt} /> },
  published: {
    head: 'num c-time hide-m',
    cell: 'num hide-m',
    value: ({ publishedAt }) => (publishedAt === null ? <Nothing /> : <Time at={publishedAt} />),
  },
  age: { head: 'num c-age', cell: 'num e-age', value: ({ createdAt }) => <Age at={createdAt} /> },
  id: { head: 'num c-id hide-m', cell: 'mono quiet num hide-m', title: ({ id }) => id, value: ({ id }) => shortId(id) },
}
