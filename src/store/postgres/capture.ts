import { type CaptureOptions, literalOf, resolveCapture } from '../capture.ts'
import type { Tables } from './tables.ts'

/** The trigger that turns changes of a table into events, as SQL. */
export function capture(t: Tables) {
  return async (options: CaptureOptions): Promise<string> => {
    const { table, type, source, key, backend, omit } = resolveCapture(options)
    const given = [
      `type=${type}`,
      `source=${source}`,
      `key=${key}`,
      ...(backend === '' ? [] : [`backend=${backend}`]),
      ...(omit.length === 0 ? [] : [`omit=${omit.join(',')}`]),
    ]
    const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`
    const name = table.split('.').map(quote).join('.')
    return `CREATE TRIGGER ${quote(`${table.split('.').at(-1) ?? table}_outbox`)} AFTER INSERT OR UPDATE OR DELETE ON ${name}
  FOR EACH ROW EXECUTE FUNCTION ${t.object('capture')}(${given.map((text) => literalOf(text, false)).join(', ')});
`
  }
}
