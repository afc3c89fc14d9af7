import { type Tables, tablesOf } from '../../tables.ts'

/**
 * What the names of the pattern begin with: of the second outbox that is made beside the real one for a moment, to compare
 * with. It needs quotes, so that PostgreSQL writes it with them, and the name that is put in its place has them too.
 */
const PREFIX = 'Broadcaster_pattern'

/** The tables of the pattern, in the schema of the real ones. */
export function patternOf(t: Tables): Tables {
  return tablesOf(`${PREFIX}_events`, t.schema?.slice(1, -1))
}

export function isOfPattern(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** A name or a definition of the pattern as that of the real outbox. */
export function realText(text: string, t: Tables): string {
  const table = bare(t.events)
  return text.replaceAll(`${PREFIX}_events`, table).replaceAll(PREFIX, table.replace(/_events$/, ''))
}

/** A qualified, quoted name without its schema and its quotes. */
export function bare(name: string): string {
  return name.replaceAll('"', '').split('.').at(-1) ?? ''
}
