import { attributeProblem, isContextAttribute } from '../event/attributes.ts'
import type { AttributeValue } from '../event/cloud-event.ts'
import type { DeliveryEvent } from '../event/delivery-event.ts'
import { bytesProblem, textDataProblem } from '../event/validate-cloud-event.ts'
import type { Problem } from '../foundation/problem.ts'
import { type Draft, widthProblem } from './draft.ts'

/** An event that was checked and has no row yet. */
export type DraftEvent = Pick<
  DeliveryEvent,
  'source' | 'type' | 'subject' | 'dataContentType' | 'dataSchema' | 'partitionKey' | 'extensions' | 'data'
>

/** Extension attributes by name; undefined = none of that name. */
export type AddedAttributes = Readonly<Record<string, AttributeValue | undefined>>

/** Data as it is to be stored, and attributes that tell the reader how. */
export interface EncodedData {
  /** Undefined or null = none. */
  readonly data: unknown
  /** Default: as it was. */
  readonly dataContentType?: string
  /** Extension attributes to add to the event's own, such as a key's name. Default: none. */
  readonly extensions?: AddedAttributes
}

/** What is done to each event between `publish` and its row. `publish` throws what a hook throws. */
export interface PublishHooks {
  /** Extension attributes to add, such as `traceparent`. One that the event already has stays as it is. */
  readonly enrich?: readonly ((event: DraftEvent) => AddedAttributes | undefined)[]
  /** Data to store instead of the event's, which its schema has accepted. `publishSync` refuses an async hook. */
  readonly encode?: (event: DraftEvent) => EncodedData | PromiseLike<EncodedData>
}

/** The event as hooks see it; `key` is that of the call, for an event without one. */
export function draftEvent(draft: Draft, key: string | null): DraftEvent {
  const { source, type, subject, dataContentType, dataSchema, partitionKey, extensions, data } = draft
  const texts = { subject, dataContentType, dataSchema, partitionKey: partitionKey ?? key }
  const present = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '' && text !== null))
  return { source, type, ...present, extensions, data }
}

/** The draft with these attributes beside its own. Problems are added to the list. */
export function withAttributes(draft: Draft, added: AddedAttributes = {}, problems: Problem[]): Draft {
  const extensions = { ...draft.extensions }
  for (const [name, value] of Object.entries(added)) {
    if (value === undefined || Object.hasOwn(extensions, name)) continue
    const isOwn = isContextAttribute(name) || name === 'partitionkey'
    const message = isOwn ? 'is not an extension, and only the publisher sets it' : attributeProblem(name, value)
    if (message === undefined) extensions[name] = value
    else problems.push({ code: 'INVALID_EVENT', field: `${draft.at}extensions.${name}`, value, message })
  }
  return { ...draft, extensions }
}

/** The draft with its data as it is to be stored. Problems are added to the list. */
export function withEncoded(draft: Draft, encoded: EncodedData, problems: Problem[]): Draft {
  const { data, dataContentType = draft.dataContentType, extensions } = encoded
  const report = (field: string, message: string | undefined): void => {
    if (message === undefined) return
    problems.push({
      code: 'INVALID_EVENT',
      field: draft.at + field,
      value: undefined,
      message: `as encoded ${message}`,
    })
  }
  // Empty = none, before and after.
  if (dataContentType !== '') {
    const name = 'datacontenttype'
    report('dataContentType', attributeProblem(name, dataContentType) ?? widthProblem(name, dataContentType))
    report(
      'data',
      data instanceof Uint8Array ? bytesProblem(data, dataContentType) : textDataProblem(data, dataContentType),
    )
  }
  return withAttributes({ ...draft, data, dataContentType }, extensions, problems)
}
