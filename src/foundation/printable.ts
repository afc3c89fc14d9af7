/**
 * Characters that move the cursor, begin a line, switch a terminal's mode or writing direction, or cannot be seen:
 * control characters except the tab, line and paragraph separators, and direction marks.
 */
const UNPRINTABLE = /[^\P{Cc}\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/**
 * A text as one line that a terminal or a log shows and does not obey: text from a broker, an event or a database may
 * hold escape sequences and line breaks. They become `\u001b` and the like, which mean the same character inside JSON,
 * so a printed document stays valid.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
