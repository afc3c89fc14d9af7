/** Longer patterns are cut, in characters. */
const LONGEST = 300

/**
 * An error's text without what differs from event to event: addresses, ids, times, quoted values and numbers. Pure, and
 * linear in the length of the text.
 */
export function errorPattern(error: string): string {
  return error
    .slice(0, 2_000)
    .replace(/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, '<mail>')
    .replace(/\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi, '<id>')
    .replace(/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?/g, '<time>')
    .replace(/"[^"\n]*"|'[^'\n]*'|`[^`\n]*`/g, '<value>')
    .replace(/\b(?=[\da-f]*\d)[\da-f]{12,}\b/gi, '<id>')
    .replace(/\d+(?:[.,]\d+)*/g, '<n>')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, LONGEST)
}
