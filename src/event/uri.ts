/** RFC 3986, appendix A, as regular expressions; each alternative starts with another character, so they are linear. */
const ESCAPED = '%[0-9A-Fa-f]{2}'
const PLAIN = "A-Za-z0-9\\-._~!$&'()*+,;="
const SEGMENT_CHARACTER = `(?:[${PLAIN}:@]|${ESCAPED})`
const IP_LITERAL = "\\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9\\-._~!$&'()*+,;=:]+)\\]"
const AUTHORITY = `(?:(?:[${PLAIN}:]|${ESCAPED})*@)?(?:${IP_LITERAL}|(?:[${PLAIN}]|${ESCAPED})*)(?::[0-9]*)?`
const PATH = `(?:${SEGMENT_CHARACTER}|/)*`
const TAIL = `(?:\\?(?:${SEGMENT_CHARACTER}|[/?])*)?(?:#(?:${SEGMENT_CHARACTER}|[/?])*)?`

/** `//authority/path`, or a path that does not begin with `//`. */
const HIERARCHY = `(?://${AUTHORITY}(?:/${PATH})?|(?!//)${PATH})`
const ABSOLUTE = new RegExp(`^[A-Za-z][A-Za-z0-9+.\\-]*:${HIERARCHY}${TAIL}$`)
/** Without a scheme the first segment has no colon, or it would be read as one. */
const RELATIVE = new RegExp(`^(?![^/?#]*:)${HIERARCHY}${TAIL}$`)
const NETWORK = new RegExp(`^//${AUTHORITY}(?:/${PATH})?${TAIL}$`)

/** Whether a text is a URI with a scheme (RFC 3986). */
export function isUri(text: string): boolean {
  return ABSOLUTE.test(text)
}

/** Whether a text is a URI-reference (RFC 3986): a URI, or one relative to another such as `/orders`. */
export function isUriReference(text: string): boolean {
  return ABSOLUTE.test(text) || RELATIVE.test(text) || NETWORK.test(text)
}
