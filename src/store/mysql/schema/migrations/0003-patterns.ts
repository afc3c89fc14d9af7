/*
 * The rules of `src/event` for REGEXP of MySQL (ICU) and MariaDB (PCRE). They stand in the procedure as hexadecimal
 * digits: what a backslash in a literal means depends on `sql_mode`. Part of a released step; they never change.
 */

const ESCAPED = '%[0-9A-Fa-f]{2}'
const PLAIN = "A-Za-z0-9._~!$&'()*+,;="
const CHARACTER = `(?:[${PLAIN}:@\\-]|${ESCAPED})`
const LITERAL_IP = `\\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\\.[${PLAIN}:\\-]+)\\]`
const AUTHORITY = `(?:(?:[${PLAIN}:\\-]|${ESCAPED})*@)?(?:${LITERAL_IP}|(?:[${PLAIN}\\-]|${ESCAPED})*)(?::[0-9]*)?`
const PATH = `(?:${CHARACTER}|/)*`
const TAIL = `(?:\\?(?:${CHARACTER}|[/?])*)?(?:#(?:${CHARACTER}|[/?])*)?`
const HIERARCHY = `(?://${AUTHORITY}(?:/${PATH})?|(?!//)${PATH})`

// \z and not $, which would let a line feed stand at the end.
const ABSOLUTE = `^[A-Za-z][A-Za-z0-9+.\\-]*:${HIERARCHY}${TAIL}\\z`
const REFERENCE = `(?:${ABSOLUTE}|^(?![^/?#]*:)${HIERARCHY}${TAIL}\\z|^//${AUTHORITY}(?:/${PATH})?${TAIL}\\z)`

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z\\-]+"
const QUOTED = '"(?:[^"\\\\\\r\\n]|\\\\[^\\r\\n])*"'
const MEDIA = `^${TOKEN}/${TOKEN}(?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|${QUOTED}))*[ \\t]*\\z`

const PLANES = Array.from({ length: 17 }, (_, n) => {
  const plane = n === 0 ? '' : n.toString(16).toUpperCase()
  return `\\x{${plane}FFFE}\\x{${plane}FFFF}`
}).join('')
const FORBIDDEN_CHARACTERS = `[\\x{00}-\\x{1F}\\x{7F}-\\x{9F}\\x{FDD0}-\\x{FDEF}${PLANES}]`

const literal = (pattern: string): string =>
  `CONVERT(X'${Buffer.from(`(?-i)${pattern}`).toString('hex')}' USING utf8mb4)`

/** A URI with a scheme (RFC 3986), as an SQL literal. */
export const URI = literal(ABSOLUTE)
/** A URI, or one relative to another. */
export const URI_REFERENCE = literal(REFERENCE)
/** A media type (RFC 2046). */
export const MEDIA_TYPE = literal(MEDIA)
/** Control characters and noncharacters. */
export const FORBIDDEN = literal(FORBIDDEN_CHARACTERS)
