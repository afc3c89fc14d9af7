/**
 * RFC 3986, appendix A, as regular expressions. They repeat single characters only, which keeps them linear and off the
 * stack: a loop over groups overflows it on a long text. That each `%` begins an escape is checked separately.
 */
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/
const PLAIN = "A-Za-z0-9\\-._~!$&'()*+,;=%"
const IP_LITERAL = "\\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9\\-._~!$&'()*+,;=:]+)\\]"
const AUTHORITY = `(?:[${PLAIN}:]*@)?(?:${IP_LITERAL}|[${PLAIN}]*)(?::[0-9]*)?`
const PATH = `[${PLAIN}:@/]*`
const TAIL = `(?:\\?[${PLAIN}:@/?]*)?(?:#[${PLAIN}:@/?]*)?`

/** `//authority/path`, or a path that does not begin with `//`. */
const HIERARCHY = `(?://${AUTHORITY}(?:/${PATH})?|(?!//)${PATH})`
const ABSOLUTE = new RegExp(`^[A-Za-z][A-Za-z0-9+.\\-]*:${HIERARCHY}${TAIL}$`)
/** Without a scheme the first segment has no colon, or it would be read as one. */
const RELATIVE = new RegExp(`^(?![^/?#]*:)${HIERARCHY}${TAIL}$`)
const NETWORK = new RegExp(`^//${AUTHORITY}(?:/${PATH})?${TAIL}$`)

/** Whether a text is a URI with a scheme (RFC 3986). */
export function isUri(text: string): boolean {
  return ABSOLUTE.test(text) && !BROKEN_ESCAPE.test(text)
}

/** Whether a text is a URI-reference (RFC 3986): a URI, or one relative to another such as `/orders`. */
export function isUriReference(text: string): boolean {
  return (ABSOLUTE.test(text) || RELATIVE.test(text) || NETWORK.test(text)) && !BROKEN_ESCAPE.test(text)
}
