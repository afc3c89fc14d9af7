import { BroadcasterError } from '../errors.ts'
import { type Problem, throwProblems } from '../foundation/problem.ts'
import { attributeProblems } from './attributes.ts'
import { decodeBase64, encodeBase64, isBase64 } from './base64.ts'
import type { AttributeValue, EncodableEvent } from './cloud-event.ts'
import { jsonProblem } from './json.ts'
import { jsonElements, jsonMembers } from './json-members.ts'
import { decodeText } from './text.ts'

/** The content type of one event in structured mode. Lower case: the official JavaScript package knows no other. */
export const STRUCTURED_CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8'
/** The content type of a batch. */
export const BATCH_CONTENT_TYPE = 'application/cloudevents-batch+json; charset=utf-8'

/** The event in the CloudEvents JSON format. The text of its data is copied, never parsed. */
export function encodeStructured(event: EncodableEvent): string {
  const attributes = JSON.stringify(event.attributes).slice(0, -1)
  if (event.dataBinary) return `${attributes},"data_base64":"${encodeBase64(event.dataBinary)}"}`
  if (event.dataJson !== null) return `${attributes},"data":${event.dataJson}}`
  return `${attributes}}`
}

/** Events in the CloudEvents JSON batch format; none gives `[]`. */
export function encodeBatch(events: readonly EncodableEvent[]): string {
  return `[${events.map(encodeStructured).join(',')}]`
}

/**
 * Reads one event in the CloudEvents JSON format; the text of its data is kept as it is. Throws `DECODE_FAILED` for
 * anything but one valid CloudEvent.
 */
export function decodeStructured(input: string | Uint8Array): EncodableEvent {
  return decodeMembers(parse(input, jsonMembers, 'a JSON object'), '')
}

/** Reads a CloudEvents JSON batch. Throws `DECODE_FAILED` when any of its events is not valid. */
export function decodeBatch(input: string | Uint8Array): EncodableEvent[] {
  return parse(input, jsonElements, 'a JSON array').map((text, index) =>
    decodeMembers(parse(text, jsonMembers, 'a JSON object'), `[${index}].`),
  )
}

function parse<Parts>(input: string | Uint8Array, split: (text: string) => Parts | undefined, expected: string): Parts {
  const text = typeof input === 'string' ? input : decodeText(input)
  let parts: Parts | undefined
  try {
    parts = split(text)
  } catch (error) {
    throw new BroadcasterError('DECODE_FAILED', `the event is not valid JSON: ${jsonProblem(error)}`)
  }
  if (parts === undefined) throw new BroadcasterError('DECODE_FAILED', `the event is not ${expected}`)
  return parts
}

function decodeMembers(members: ReadonlyMap<string, string>, at: string): EncodableEvent {
  // A null member is an absent one. `fromEntries` makes own properties whatever the name, `__proto__` included.
  const named = [...members].filter(([name, text]) => name !== 'data' && text !== 'null')
  const { data_base64: base64, ...attributes } = Object.fromEntries(
    named.map(([name, text]): [string, unknown] => [name, JSON.parse(text)]),
  )
  const problems: Problem[] = attributeProblems(attributes, (name) => at + name)
  const dataText = members.get('data') ?? 'null'
  if (base64 !== undefined) {
    const message =
      dataText !== 'null'
        ? 'stands beside data; an event has one of them'
        : typeof base64 !== 'string' || !isBase64(base64)
          ? 'is not Base64 (RFC 4648, with padding)'
          : undefined
    if (message) problems.push({ code: 'DECODE_FAILED', field: `${at}data_base64`, value: base64, message })
  }
  throwProblems(
    'the event',
    problems.map((problem) => ({ ...problem, code: 'DECODE_FAILED' })),
  )
  return {
    attributes: attributes as Record<string, AttributeValue>,
    dataJson: dataText === 'null' ? null : dataText,
    dataBinary: typeof base64 === 'string' ? decodeBase64(base64) : null,
  }
}
