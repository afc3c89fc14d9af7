/**
 * What moves the cursor, begins a line, switches a terminal's mode or its direction of writing, or cannot be seen: the
 * control characters but the tab, line and paragraph separators, and the marks of direction.
 */
const UNPRINTABLE = /[^\P{Cc}\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/**
 * A text as one line that a terminal or a log shows and does not obey: what came from a broker's answer, an event or a
 * database may hold escape sequences and line breaks. Those become `\u001b` and the like, which inside JSON mean the
 * same character, so that a printed document stays what it was.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
