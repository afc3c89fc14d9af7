import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { isBase64 } from '../../src/event/base64.ts'
import { charsetOf, isMediaType, isTextType } from '../../src/event/content-type.ts'
import { decodeHeaderValue, encodeHeaderValue } from '../../src/event/http.ts'
import { parseJson } from '../../src/event/json.ts'
import { decodeBatch, decodeStructured, encodeStructured } from '../../src/event/structured.ts'
import { isTimestamp } from '../../src/event/timestamp.ts'
import { compileTypePattern } from '../../src/event/type-pattern.ts'
import { isUri, isUriReference } from '../../src/event/uri.ts'
import { showValue, showWithoutSecrets } from '../../src/foundation/problem.ts'
import { suggestion } from '../../src/foundation/suggestion.ts'

const LENGTH = 32 * 2 ** 20
const long = (piece: string): string => piece.repeat(LENGTH / piece.length)

/** What looks at text that others may have written, with texts that its expressions like least, and what it says of them. */
const cases: Readonly<Record<string, () => unknown>> = {
  'Base64: a text': () => assert.ok(isBase64(long('abcd'))),
  'Base64: none at its end': () => assert.ok(!isBase64(`${long('abcd')}ab=c`)),
  'URI: a path': () => assert.ok(isUriReference(`/${long('a')}`)),
  'URI: escapes': () => assert.ok(isUriReference(`/${long('%20/')}`)),
  'URI: a user that never ends': () => assert.ok(!isUri(`http://${long('a:')}"`)),
  'URI: a query': () => assert.ok(isUriReference(`?${long('a/')}#${long('b?')}`)),
  'media type: parameters': () => assert.ok(isMediaType(`a/b${long(';c=d')}`)),
  'media type: a quoted text': () => assert.ok(isMediaType(`a/b;c="${long('\\"')}${long(' ')}"`)),
  'media type: spaces before nothing': () => assert.ok(!isMediaType(`a/b${long(' ')}"`)),
  'media type: charsets': () => assert.equal(charsetOf(`a/b${long('; charset=')}`), undefined),
  'media type: text': () => assert.ok(!isTextType(`a/${long('b')}`)),
  'header: a quoted text': () => assert.equal(decodeHeaderValue(`"${long('\\a')}"`).length, LENGTH / 2),
  'header: escapes': () => assert.equal(decodeHeaderValue(long('%C3%A9ab')).length, (LENGTH / 8) * 3),
  'header: to be escaped': () => assert.equal(encodeHeaderValue(long('é ')).length, (LENGTH / 2) * 9),
  'timestamp: a fraction': () => assert.ok(isTimestamp(`2026-01-01T00:00:00.${long('1')}Z`)),
  'JSON: digits in a text': () => assert.equal((parseJson(`"${long('1')}"`) as string).length, LENGTH),
  'JSON: escapes, deep brackets and long digits': () => {
    const text = `["${long('\\n')}",${'['.repeat(20_000)}12345678901234567890${']'.repeat(20_000)}]`
    let at = (parseJson(text) as unknown[])[1]
    while (Array.isArray(at)) at = at[0]
    assert.equal(at, 12345678901234567890n)
  },
  'a value in a message': () => assert.ok(showValue(long('a')).length < 100),
  'a value without secrets': () => assert.ok(showWithoutSecrets(long('a@')).length < 100),
  'did you mean': () => assert.equal(suggestion(long('a'), ['order.created', long('b')]), ''),
  'type pattern': () => {
    for (const pattern of ['*a*b*c.x', 'a*a*a*b', '*a*a*a.*', 'a.*.b.*', '*-*-*-*']) {
      for (const type of [long('a'), long('a.'), long('ab'), `${long('a')}.x`, long('-')]) {
        compileTypePattern(pattern)(type)
      }
    }
  },
}

describe('32 MiB of text from elsewhere need neither the stack nor minutes', () => {
  for (const [name, look] of Object.entries(cases)) {
    // Quadratic would be days, in which no timer comes: `vm` ends it. The limit is for a machine that does something else, too.
    test(name, () => void runInNewContext('look()', { look }, { timeout: 30_000 }))
  }

  test('data of 32 MiB comes back whole: bytes, and as the text of JSON', () => {
    const dataBinary = Buffer.alloc(LENGTH, 'bytes ÿ')
    const attributes = { specversion: '1.0', id: '1', source: '/x', type: 'a' }
    const bytes = encodeStructured({ attributes, dataJson: null, dataBinary })
    assert.ok(dataBinary.equals(decodeStructured(bytes).dataBinary ?? Buffer.alloc(0)))
    assert.ok(dataBinary.equals(decodeBatch(`[${bytes}]`)[0]?.dataBinary ?? Buffer.alloc(0)))
    const dataJson = JSON.stringify(long('"\\'))
    const text = Buffer.from(encodeStructured({ attributes, dataJson, dataBinary: null }))
    assert.equal(decodeStructured(text).dataJson, dataJson)
  })
})

describe('what is linear now says what the plain expression of the standard says', () => {
  const characters = (some: string): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...some), maxLength: 24 })

  test('Base64', () => {
    const plain = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
    fc.assert(fc.property(characters('Az0+/=-'), (text) => assert.equal(isBase64(text), plain.test(text), text)))
  })

  test('media types', () => {
    const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
    const quoted = '"(?:[^"\\\\\\r\\n]|\\\\[^\\r\\n])*"'
    const plain = new RegExp(`^(${token})/(${token})((?:[ \\t]*;[ \\t]*${token}=(?:${token}|${quoted}))*)[ \\t]*$`)
    const ends = fc.tuple(fc.constantFrom('a/b', 'a', 'a/b;c=d', 'a/b; c="'), characters('ab/;= "\\\r'))
    fc.assert(
      fc.property(ends, ([begin, end]) => {
        const text = begin + end
        assert.equal(isMediaType(text), plain.test(text), text)
      }),
      { numRuns: 5_000 },
    )
  })

  test('URI-references', () => {
    const escaped = '%[0-9A-Fa-f]{2}'
    const own = "A-Za-z0-9\\-._~!$&'()*+,;="
    const character = `(?:[${own}:@]|${escaped})`
    const literal = "\\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9\\-._~!$&'()*+,;=:]+)\\]"
    const authority = `(?:(?:[${own}:]|${escaped})*@)?(?:${literal}|(?:[${own}]|${escaped})*)(?::[0-9]*)?`
    const path = `(?:${character}|/)*`
    const tail = `(?:\\?(?:${character}|[/?])*)?(?:#(?:${character}|[/?])*)?`
    const hierarchy = `(?://${authority}(?:/${path})?|(?!//)${path})`
    const absolute = new RegExp(`^[A-Za-z][A-Za-z0-9+.\\-]*:${hierarchy}${tail}$`)
    const relative = new RegExp(`^(?![^/?#]*:)${hierarchy}${tail}$`)
    const network = new RegExp(`^//${authority}(?:/${path})?${tail}$`)
    fc.assert(
      fc.property(characters('aF1:/?#[]@%. "'), (text) => {
        assert.equal(isUri(text), absolute.test(text), text)
        assert.equal(isUriReference(text), absolute.test(text) || relative.test(text) || network.test(text), text)
      }),
      { numRuns: 20_000 },
    )
  })

  test('quoted and escaped headers', () => {
    const isQuoted = /^"(?:[^"\\]|\\.)*"$/s
    const plain = (value: string): string =>
      (isQuoted.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value).replace(
        /(?:%[0-9A-Fa-f]{2})+/g,
        (run) => decodeURIComponent(run),
      )
    const outcome = (read: (text: string) => string, text: string): string => {
      try {
        return read(text)
      } catch (error) {
        assert.ok(error instanceof URIError)
        return 'no UTF-8'
      }
    }
    fc.assert(
      fc.property(characters('ab"\\%41\n'), (text) => {
        assert.equal(outcome(decodeHeaderValue, text), outcome(plain, text), text)
      }),
      { numRuns: 5_000 },
    )
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        assert.equal(decodeHeaderValue(encodeHeaderValue(text)), text)
        assert.match(encodeHeaderValue(text), /^[\x21\x23-\x7e]*$/)
      }),
    )
  })

  test('type patterns', () => {
    const plain = (pattern: string): RegExp => {
      const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      const open = pattern.endsWith('*')
      if (open) parts.pop()
      return new RegExp(`^${parts.join('[^.]+')}${open ? '.+' : ''}$`, 's')
    }
    const pattern = characters('ab.*').filter((text) => text !== '' && !text.includes('**'))
    fc.assert(
      fc.property(pattern, characters('ab.'), (text, type) => {
        assert.equal(compileTypePattern(text)(type), plain(text).test(type), `${text} ${type}`)
      }),
      { numRuns: 20_000 },
    )
  })
})
