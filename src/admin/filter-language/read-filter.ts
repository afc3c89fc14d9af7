import { parseJson } from '../../event/json.ts'
import { canonicalUuid } from '../../event/uuid.ts'
import { suggestion } from '../../foundation/suggestion.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import type { Condition } from '../../store/admin-store.ts'
import { FIELD_NAMES, FIELDS, type FilterContext, type Meaning } from './fields.ts'
import { type FilterMistake, type FilterTerm, isMistake, readTerms, type TermValue } from './terms.ts'
import { hasText } from './text-test.ts'
import { valueAt, valueTest } from './value-test.ts'

/** Whether a record fits; `dataText` gives its data as the user may see it. */
export type RecordTest = (event: OutboxEvent, dataText: () => string | null) => boolean

/** A filter that was read. */
export interface EventFilter {
  /** What the store can say; all must hold. */
  readonly where: readonly Condition[]
  /** What is looked at in each row, besides. */
  readonly tests: readonly RecordTest[]
  /** The tests read the data. */
  readonly needsData: boolean
  /** An index finds its events, or it means all of them. */
  readonly isIndexed: boolean
  /** It names data, keys or texts, which no address may show. */
  readonly isPrivate: boolean
  /** The statuses that it asks for; undefined: it does not say. */
  readonly statuses: readonly string[] | undefined
}

/** These have an index of their own in each store. */
const INDEXED = ['pending', 'processing', 'retry', 'failed']

/**
 * Reads a filter such as `status:failed type:order.* created:<1h data.total:>100 timeout`: terms that must all hold, several values
 * of a term with commas, `-` before one that must not. Returns the first mistake instead. Pure.
 */
export function readFilter(text: string, context: FilterContext): EventFilter | FilterMistake {
  const terms = readTerms(text)
  if (isMistake(terms)) return terms
  const where: Condition[] = []
  const tests: RecordTest[] = []
  for (const term of terms) {
    const meaning = readTerm(term, context)
    if (isMistake(meaning)) return meaning
    if (meaning.where !== undefined) where.push(...meaning.where)
    else tests.push(meaning.test)
  }
  const named = terms.filter(({ negated }) => !negated)
  const statuses = named.find(({ field }) => field === 'status')?.values.map(({ text }) => text.toLowerCase())
  const isById = named.some(({ field }) => field === 'id')
  const isTroubled = statuses?.every((status) => INDEXED.includes(status)) ?? named.some(({ field }) => field === 'is')
  return {
    where,
    tests,
    needsData: terms.some(({ field }) => field === 'data'),
    isIndexed: terms.length === 0 || isById || (isTroubled && tests.length === 0),
    isPrivate: terms.some(
      ({ field }) => field === '' || FIELDS[field] === undefined || FIELDS[field].isPrivate === true,
    ),
    statuses,
  }
}

type Read = { readonly where: readonly Condition[] | undefined; readonly test: RecordTest }

function readTerm(term: FilterTerm, context: FilterContext): Read | FilterMistake {
  const { field, path, negated, values } = term
  if (field === '') return readWords(term)
  const own = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined
  if (field === 'data' || field === 'ext') return readRowField(term)
  if (own === undefined || path !== '') {
    const name = `${field}${path}`
    const hint = suggestion(field, FIELD_NAMES) || `; fields: ${FIELD_NAMES.join(', ')}`
    const message =
      own === undefined
        ? `there is no field ${name}${hint}; to look for the text, put it in quotes`
        : `${field} has no parts; write ${field}:`
    return { at: term.at, end: values[0]?.at ?? term.end, message }
  }
  const meanings: Meaning[] = []
  for (const value of values) {
    if (value.operator !== '' && own.compares === undefined) {
      return mistakeAt(
        value,
        `${field} is not compared by size; leave ${value.operator} out, or put the text in quotes`,
      )
    }
    const meaning = own.read(value, context)
    if (typeof meaning === 'string') return mistakeAt(value, `"${value.text}" ${meaning}`)
    meanings.push(meaning)
  }
  const test: RecordTest = (event) => meanings.some(({ fits }) => fits(event)) !== negated
  const groups = meanings.flatMap((meaning) => (meaning.where === undefined ? [] : [meaning.where]))
  // A store turns no condition round, and may not be able to say one at all.
  if (negated || groups.length < meanings.length) return { where: undefined, test }
  const [only, ...more] = groups
  return { where: more.length === 0 && only !== undefined ? only : [{ op: 'any', groups }], test }
}

/** Words alone: an id, or in the type, the source, the subject, the error, whatever the case. */
function readWords({ values: [value], negated, at, end }: FilterTerm): Read | FilterMistake {
  const text = value?.text ?? ''
  if (text === '') return { at, end, message: 'there is nothing to look for; write a text, or leave the quotes out' }
  const id = canonicalUuid(text)
  const columns = ['eventType', 'source', 'subject', 'lastError'] as const
  const groups: readonly (readonly Condition[])[] = [
    ...columns.map((column): readonly Condition[] => [{ column, op: 'icontains', value: text }]),
    [{ column: 'eventId', op: 'eq', value: text }],
    ...(id === undefined ? [] : [[{ column: 'id', op: 'eq', value: id } as const]]),
  ]
  const test: RecordTest = (event) => {
    const found = columns.some((column) => hasText(event[column], text)) || event.eventId === text || event.id === id
    return found !== negated
  }
  return { where: negated ? undefined : [{ op: 'any', groups }], test }
}

/** What no column says: a value of the data or of an extension. */
function readRowField({ field, path, values, negated, at }: FilterTerm): Read | FilterMistake {
  if (field === 'ext' && !/^\.[a-z\d]+$/.test(path)) {
    return {
      at,
      end: at + field.length + path.length,
      message: 'name the extension, in small letters and digits: ext.traceparent:',
    }
  }
  if (path === '') {
    const [compared] = values.filter(({ operator }) => operator !== '')
    if (compared)
      return mistakeAt(compared, 'the data as a whole is not compared by size; name a value: data.total:>100')
    const test: RecordTest = (_, dataText) => {
      const text = dataText()
      return values.some((value) => hasText(text, value.text)) !== negated
    }
    return { where: undefined, test }
  }
  const fits = values.map(valueTest)
  const test: RecordTest = (event, dataText) => {
    const root = field === 'ext' ? event.extensions : jsonOf(dataText())
    const value = valueAt(root, path)
    return fits.some((one) => one(value)) !== negated
  }
  return { where: undefined, test }
}

/** Undefined for what is not JSON. */
function jsonOf(text: string | null): unknown {
  try {
    return text === null ? undefined : parseJson(text)
  } catch {
    return undefined
  }
}

function mistakeAt({ at, end }: TermValue, message: string): FilterMistake {
  return { at, end, message }
}
