const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** Sticky, one piece after the other: a loop over groups overflows the stack on a long text. */
const TYPE = new RegExp(`${TOKEN}/${TOKEN}`, 'y')
const PARAMETER = new RegExp(`[ \\t]*;[ \\t]*${TOKEN}=(${TOKEN}|")`, 'y')
const REST_OF_QUOTED = /[^"\\\r\n]*(?:(")|\\[^\r\n])/y
const END = /[ \t]*$/y
const CHARSET = new RegExp(`;[ \\t]*charset=(?:"([^"]*)"|(${TOKEN}))`, 'i')

/** Types outside `text/` whose content is text. */
const TEXT_SUBTYPES = /^(?:xml|yaml|x-yaml|javascript|ecmascript|graphql|sql|toml|x-www-form-urlencoded)$/
const TEXT_SUFFIX = /\+(?:xml|yaml)$/

/** Whether a text is a media type as RFC 2046 writes it, with or without parameters. */
export function isMediaType(text: string): boolean {
  let at = 0
  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at
    const found = expression.exec(text)
    if (found) at = expression.lastIndex
    return found
  }
  if (!take(TYPE)) return false
  for (let parameter = take(PARAMETER); parameter; parameter = take(PARAMETER)) {
    if (parameter[1] !== '"') continue
    let piece: RegExpExecArray | null
    do piece = take(REST_OF_QUOTED)
    while (piece && piece[1] === undefined)
    if (!piece) return false
  }
  return take(END) !== null
}

/**
 * Whether a `datacontenttype` declares JSON: subtype `json` or suffix `+json`, any parameters. An absent one does,
 * as the CloudEvents JSON format says.
 */
export function isJsonType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === '') return true
  const subtype = subtypeOf(contentType)
  return subtype === 'json' || subtype.endsWith('+json')
}

/** Whether a content type other than JSON declares text: `text/*`, XML, YAML and the like, or any with a charset. */
export function isTextType(contentType: string): boolean {
  if (/^text\//i.test(contentType) || charsetOf(contentType) !== undefined) return true
  const subtype = subtypeOf(contentType)
  return TEXT_SUBTYPES.test(subtype) || TEXT_SUFFIX.test(subtype)
}

/** The `charset` parameter in lower case; undefined = none, which we read as UTF-8. */
export function charsetOf(contentType: string): string | undefined {
  const match = CHARSET.exec(contentType)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

/** Whether text written as UTF-8 may carry this content type: no charset, `utf-8`, or its subset `us-ascii`. */
export function isUtf8Type(contentType: string): boolean {
  const charset = charsetOf(contentType)
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii'
}

function subtypeOf(contentType: string): string {
  const end = contentType.indexOf(';')
  const type = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
  return type.slice(type.indexOf('/') + 1)
}
