import fc from 'fast-check'
import type { AttributeValue, EncodableEvent } from '../../src/event/cloud-event.ts'

/** Text that a CloudEvents String may hold. */
export const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((value) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(value))

const source = fc.constantFrom('/orders', 'https://example.com/a?b=c#d', 'urn:example:1', 'a%20b')
const time = fc.constantFrom('2026-01-31T12:00:00Z', '2026-01-31T12:00:00.123456789+02:00')
const extensionName = fc
  .stringMatching(/^[a-z0-9]{1,20}$/)
  .filter(
    (name) =>
      ![
        'specversion',
        'id',
        'source',
        'type',
        'subject',
        'time',
        'datacontenttype',
        'dataschema',
        'data',
        'datacontentencoding',
        'schemaurl',
      ].includes(name),
  )
const extensionValue: fc.Arbitrary<AttributeValue> = fc.oneof(
  text,
  fc.boolean(),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
)

/** JSON texts as people and machines write them: any spacing, long numbers, repeated escapes. */
const jsonText = fc
  .oneof(
    fc.json(),
    fc.tuple(fc.json(), fc.nat(4)).map(([json, indent]) => JSON.stringify(JSON.parse(json), null, indent)),
    fc.constantFrom(
      '{"b":12345678901234567890,"a":1.0}',
      '{"a":{"]":"}"},"a":[1,"\\"]"]}',
      ' [ ] ',
      '-1.50e10',
      '"\\u0041\\\\"',
      '"\\ud83d\\ude00"',
    ),
  )
  .filter((json) => JSON.parse(json) !== null)

const payload: fc.Arbitrary<Pick<EncodableEvent, 'dataJson' | 'dataBinary'> & { readonly contentType?: string }> =
  fc.oneof(
    fc.constant({ dataJson: null, dataBinary: null }),
    jsonText.map((dataJson) => ({ dataJson, dataBinary: null })),
    fc
      .tuple(
        jsonText,
        fc.constantFrom('application/json', 'application/json; charset=utf-8', 'application/vnd.x+json', 'text/json'),
      )
      .map(([dataJson, contentType]) => ({ dataJson, dataBinary: null, contentType })),
    fc
      .tuple(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.constantFrom('text/plain', 'application/xml', 'image/svg+xml', 'text/csv; charset=utf-8'),
      )
      .map(([plain, contentType]) => ({
        dataJson: JSON.stringify(plain.toWellFormed()),
        dataBinary: null,
        contentType,
      })),
    fc
      .tuple(fc.uint8Array({ minLength: 1 }), fc.constantFrom('application/octet-stream', 'image/png'))
      .map(([dataBinary, contentType]) => ({ dataJson: null, dataBinary, contentType })),
  )

/** Any valid event, its data as any text that may stand in a row. */
export const encodable: fc.Arbitrary<EncodableEvent> = fc
  .record({
    id: text,
    source,
    type: text,
    subject: fc.option(text, { nil: undefined }),
    time: fc.option(time, { nil: undefined }),
    dataschema: fc.option(fc.constant('https://example.com/schema'), { nil: undefined }),
    extensions: fc.dictionary(extensionName, extensionValue, { maxKeys: 4 }),
    payload,
  })
  .map(({ extensions, payload: { contentType, ...data }, ...named }) => {
    const attributes = { specversion: '1.0', ...named, datacontenttype: contentType, ...extensions }
    const present = Object.entries(attributes).filter(([, value]) => value !== undefined)
    return { attributes: Object.fromEntries(present) as Record<string, AttributeValue>, ...data }
  })
