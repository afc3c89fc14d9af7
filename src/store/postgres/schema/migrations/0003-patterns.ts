/*
 * The rules of `src/event` for PostgreSQL, as regular expressions inside SQL literals. They belong to a released step
 * and never change; a test compares what both accept.
 */

const ESCAPED = '%[0-9A-Fa-f]{2}'
// A quote is two in a literal.
const PLAIN = "A-Za-z0-9._~!$&''()*+,;="
const CHARACTER = `(?:[${PLAIN}:@-]|${ESCAPED})`
const LITERAL_IP = `\\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\\.[${PLAIN}:-]+)\\]`
const AUTHORITY = `(?:(?:[${PLAIN}:-]|${ESCAPED})*@)?(?:${LITERAL_IP}|(?:[${PLAIN}-]|${ESCAPED})*)(?::[0-9]*)?`
const PATH = `(?:${CHARACTER}|/)*`
const TAIL = `(?:\\?(?:${CHARACTER}|[/?])*)?(?:#(?:${CHARACTER}|[/?])*)?`
const HIERARCHY = `(?://${AUTHORITY}(?:/${PATH})?|(?!//)${PATH})`

/** A URI with a scheme (RFC 3986). */
export const URI = `^[A-Za-z][A-Za-z0-9+.-]*:${HIERARCHY}${TAIL}$`
/** A URI, or one relative to another. */
export const URI_REFERENCE = `(?:${URI}|^(?![^/?#]*:)${HIERARCHY}${TAIL}$|^//${AUTHORITY}(?:/${PATH})?${TAIL}$)`

const TOKEN = "[!#$%&''*+.^_`|~0-9A-Za-z-]+"
const QUOTED = '"(?:[^"\\\\\\r\\n]|\\\\[^\\r\\n])*"'

/** A media type (RFC 2046). */
export const MEDIA_TYPE = `^${TOKEN}/${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|${QUOTED}))*[ \\t]*$`

/** The last two code points of each plane. */
const ENDS = Array.from({ length: 16 }, (_, n) => {
  const plane = (n + 1).toString(16).toUpperCase().padStart(4, '0')
  return `\\U${plane}FFFE\\U${plane}FFFF`
}).join('')

/** Control characters and noncharacters. PostgreSQL's text holds no surrogates and no NUL. */
export const NONCHARACTERS = `[\\u0001-\\u001F\\u007F-\\u009F\\uFDD0-\\uFDEF\\uFFFE\\uFFFF${ENDS}]`
