import type { OutgoingEvent } from '../event/outgoing-event.ts'

/** What a subject may not contain: white space and control characters, which end it, and wildcards. */
const FORBIDDEN = /[\s\p{Cc}*>]/gu
const VALID = /^[^.]+(?:\.[^.]+)*$/

/**
 * A text as tokens of a subject: dots separate tokens; white space, control characters, `*` and `>` become `_`, and so
 * does an empty token. `a..b c` is `a._.b_c`.
 */
export function subjectTokens(text: string): string {
  return text
    .replace(FORBIDDEN, '_')
    .split('.')
    .map((token) => token || '_')
    .join('.')
}

/** The subject of an event: `{type}` in a pattern stands for the event's type, as tokens. */
export function subjectOf(subject: string | ((event: OutgoingEvent) => string), event: OutgoingEvent): string {
  if (typeof subject === 'function') return subject(event)
  return subject.replaceAll('{type}', () => subjectTokens(event.type))
}

/** Whether one may publish to it: no empty tokens, no wildcards, no white space. */
export function isSubject(subject: unknown): subject is string {
  return typeof subject === 'string' && VALID.test(subject) && subject.search(FORBIDDEN) === -1
}

/** Whether a stream that has this pattern among its subjects takes the subject. */
export function takesSubject(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  for (const [n, token] of wanted.entries()) {
    if (token === '>') return tokens.length > n
    if (tokens[n] === undefined || (token !== '*' && token !== tokens[n])) return false
  }
  return wanted.length === tokens.length
}
