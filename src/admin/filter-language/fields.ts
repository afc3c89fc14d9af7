import { canonicalUuid } from '../../event/uuid.ts'
import { errorPattern } from '../../foundation/error-pattern.ts'
import { suggestion } from '../../foundation/suggestion.ts'
import { FAR_FUTURE, type FilterColumn } from '../../record/columns.ts'
import { errorCode } from '../../record/error-cause.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { isStatus, STATUSES, UNSETTLED } from '../../record/status.ts'
import type { Condition } from '../../store/admin-store.ts'
import { isWithin, readSpan, type Span } from './instant-test.ts'
import type { TermValue } from './terms.ts'
import { hasText, textCondition, textTest } from './text-test.ts'
import { compares } from './value-test.ts'

/** What a value means: as conditions of a store where one can say it, and in any case as a test of a record. */
export interface Meaning {
  /** All must hold; undefined: no store can say it. */
  readonly where: readonly Condition[] | undefined
  fits(event: OutboxEvent): boolean
}

/** What a filter is read with. */
export interface FilterContext {
  /** The database's time. */
  readonly now: Date
  /** The key that a hash stands for, where it is known. */
  keyOf?(hash: string): string | undefined
  /** The hash that stands for a key, where keys have one. */
  hashOf?(key: string): string
}

/** A field of the language. */
export interface Field {
  readonly hint: string
  /** Values to suggest. */
  readonly values?: readonly string[]
  /** It compares by size. */
  readonly compares?: true
  /** It names keys, data or texts of errors: no address may show it. */
  readonly isPrivate?: true
  /** What a value means; a text says what is wrong with it, after the value itself. */
  read(value: TermValue, context: FilterContext): Meaning | string
}

function textField(
  hint: string,
  column: FilterColumn,
  of: (event: OutboxEvent) => string | null,
  more: Partial<Field> = {},
): Field {
  return {
    hint,
    ...more,
    read(value) {
      const test = textTest(value)
      const condition = textCondition(column, test)
      return { where: condition && [condition], fits: (event) => test.fits(of(event)) }
    },
  }
}

function timeField(hint: string, column: FilterColumn, of: (event: OutboxEvent) => Date | null, past: boolean): Field {
  return {
    hint,
    compares: true,
    values: past ? ['<15m', '<1h', '<1d', '>1d'] : ['<1h', '>1h', '<-5m'],
    read(value, { now }) {
      const span = readSpan(value, past, now)
      return typeof span === 'string'
        ? span
        : { where: spanConditions(column, span), fits: (event) => isWithin(span, of(event)) }
    },
  }
}

function spanConditions(column: FilterColumn, { from, to }: Span): readonly Condition[] {
  return [
    ...(from ? [{ column, op: from.included ? 'gte' : 'gt', value: from.at } as const] : []),
    ...(to ? [{ column, op: to.included ? 'lte' : 'lt', value: to.at } as const] : []),
  ]
}

const SIZES = { '': 'eq', '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' } as const

function numberField(hint: string, column: FilterColumn, of: (event: OutboxEvent) => number | null): Field {
  return {
    hint,
    compares: true,
    read({ operator, text }) {
      if (!/^\d{1,9}$/.test(text)) return 'is not a whole number; write one, such as 3 or >2'
      const wanted = Number(text)
      const fits = (event: OutboxEvent): boolean => {
        const value = of(event)
        return value !== null && compares(value, operator, wanted)
      }
      return { where: [{ column, op: SIZES[operator], value: wanted }], fits }
    },
  }
}

const far: Condition = { column: 'availableAt', op: 'eq', value: FAR_FUTURE }
const unsettled: Condition = { column: 'status', op: 'in', values: UNSETTLED }

/** States that are no status of their own. */
const STATES: Readonly<Record<string, (now: Date) => readonly Condition[]>> = {
  blocked: () => [
    {
      op: 'any',
      groups: [
        [unsettled, far],
        [
          { column: 'status', op: 'eq', value: 'failed' },
          { column: 'availableAt', op: 'isNull', value: false },
        ],
      ],
    },
  ],
  due: (now) => [unsettled, { column: 'scheduledAt', op: 'lte', value: now }],
  scheduled: (now) => [unsettled, { column: 'scheduledAt', op: 'gt', value: now }],
}

function isState(name: string, event: OutboxEvent, now: Date): boolean {
  const open = UNSETTLED.includes(event.status)
  if (name === 'blocked') {
    return open
      ? event.availableAt?.getTime() === FAR_FUTURE.getTime()
      : event.status === 'failed' && event.availableAt !== null
  }
  return open && event.scheduledAt.getTime() > now.getTime() === (name === 'scheduled')
}

/** One of a few words; a text says what is wrong. */
function wordOf(text: string, words: readonly string[]): string | undefined {
  const word = text.toLowerCase()
  return words.includes(word)
    ? undefined
    : `is not one of them${suggestion(word, words) || `; there are ${words.join(', ')}`}`
}

/** Each field, by its name. `data`, `ext` and words alone stand beside them, since they are looked for in the row. */
export const FIELDS: Readonly<Record<string, Field>> = {
  status: {
    hint: 'where it is in its life',
    values: STATUSES,
    read({ text }) {
      const wrong = wordOf(text, STATUSES)
      const status = text.toLowerCase()
      if (wrong !== undefined || !isStatus(status)) return wrong ?? 'is no status'
      return { where: [{ column: 'status', op: 'eq', value: status }], fits: (event) => event.status === status }
    },
  },
  is: {
    hint: 'blocked behind a failed event (or that event), due, or scheduled for later',
    values: Object.keys(STATES),
    read({ text }, { now }) {
      const state = text.toLowerCase()
      const wrong = wordOf(text, Object.keys(STATES))
      return wrong ?? { where: STATES[state]?.(now), fits: (event) => isState(state, event, now) }
    },
  },
  type: textField('the event type; * stands for any characters', 'eventType', (event) => event.eventType),
  source: textField('the source; * stands for any characters', 'source', (event) => event.source),
  subject: textField('the subject; "" = none', 'subject', (event) => event.subject, { isPrivate: true }),
  backend: textField('the backend it is for', 'publisherBackend', (event) => event.publisherBackend),
  key: {
    hint: 'the partition key, or # and its hash',
    isPrivate: true,
    read(value, { keyOf, hashOf }) {
      const hash = value.quoted ? undefined : /^#([\da-f]{16})$/i.exec(value.text)?.[1]?.toLowerCase()
      if (hash === undefined || hashOf === undefined) {
        const test = textTest(value)
        const condition = textCondition('partitionKey', test)
        return { where: condition && [condition], fits: (event) => test.fits(event.partitionKey) }
      }
      const key = keyOf?.(hash)
      const fits = ({ partitionKey }: OutboxEvent): boolean => partitionKey !== null && hashOf(partitionKey) === hash
      return { where: key === undefined ? undefined : [{ column: 'partitionKey', op: 'eq', value: key }], fits }
    },
  },
  id: {
    hint: 'the id of the row',
    read({ text }) {
      const id = canonicalUuid(text)
      if (id === undefined) return 'is not the id of a row, which is a UUID; write event: for the id of a CloudEvent'
      return { where: [{ column: 'id', op: 'eq', value: id }], fits: (event) => event.id === id }
    },
  },
  event: {
    hint: 'the id of the CloudEvent',
    read({ text }) {
      const id = canonicalUuid(text)
      const own: Condition = { column: 'eventId', op: 'eq', value: text }
      const groups: readonly (readonly Condition[])[] =
        id === undefined
          ? [[own]]
          : [
              [own],
              [
                { column: 'id', op: 'eq', value: id },
                { column: 'eventId', op: 'isNull', value: true },
              ],
            ]
      return {
        where: [{ op: 'any', groups }],
        fits: (event) => event.eventId === (event.eventId === event.id ? id : text),
      }
    },
  },
  error: {
    hint: 'text of the last error, whatever the case',
    isPrivate: true,
    read({ text }) {
      if (text === '')
        return { where: [{ column: 'lastError', op: 'eq', value: '' }], fits: (event) => event.lastError === '' }
      const where: readonly Condition[] = [{ column: 'lastError', op: 'icontains', value: text }]
      return { where, fits: (event) => hasText(event.lastError, text) }
    },
  },
  cause: {
    hint: 'the whole last error, as failures are grouped by it: numbers, ids, times and quoted values stand as <n>, <id> and the like',
    isPrivate: true,
    read: ({ text }) => ({ where: undefined, fits: (event) => errorPattern(event.lastError) === text }),
  },
  code: {
    hint: 'the code in the last error, such as ECONNREFUSED',
    read({ text }) {
      const code = text.toUpperCase()
      if (!/^[A-Z][A-Z\d_]{1,63}$/.test(code)) return 'is not a code; a code is letters, digits and _'
      const old: readonly Condition[] = [
        { column: 'errorCode', op: 'isNull', value: true },
        { column: 'lastError', op: 'contains', value: `[${code}]` },
      ]
      const groups = [[{ column: 'errorCode', op: 'eq', value: code } as const], old]
      return {
        where: [{ op: 'any', groups }],
        fits: ({ errorCode: stored, lastError }) => (stored ?? errorCode(lastError)) === code,
      }
    },
  },
  fingerprint: {
    hint: 'the fingerprint of the last error: the same for errors that differ in numbers, ids, times and quoted values alone',
    read({ text }) {
      const value = text.toLowerCase()
      if (!/^[\da-f]{16}$/.test(value)) return 'is no fingerprint; one is 16 hexadecimal digits'
      const where: readonly Condition[] = [{ column: 'errorFingerprint', op: 'eq', value }]
      return { where, fits: (event) => event.errorFingerprint === value }
    },
  },
  created: timeField('its age: <1h is younger than an hour', 'createdAt', (event) => event.createdAt, true),
  updated: timeField(
    'when the row last changed: <1h is within the last hour',
    'updatedAt',
    (event) => event.updatedAt,
    true,
  ),
  published: timeField(
    'when it was delivered: <1h is within the last hour',
    'publishedAt',
    (event) => event.publishedAt,
    true,
  ),
  due: timeField(
    'when it is due: >2h is in more than two hours, <-5m five minutes ago or more',
    'scheduledAt',
    (event) => event.scheduledAt,
    false,
  ),
  retries: numberField('how many attempts failed: >2', 'retryCount', (event) => event.retryCount),
  lane: numberField('its lane', 'lane', (event) => event.lane),
}

/** Fields that are looked for in the row, and how to write them. */
export const ROW_FIELDS: Readonly<Record<string, string>> = {
  data: 'a value in the data, data.total:>100, or any text in it, data:"text"',
  ext: 'an extension attribute: ext.traceparent:00-4bf9*',
}
export const FIELD_NAMES: readonly string[] = [...Object.keys(FIELDS), ...Object.keys(ROW_FIELDS)]
