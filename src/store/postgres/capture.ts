import { BroadcasterError } from '../../errors.ts'
import { type CaptureOptions, captureColumns, resolveCapture } from '../capture.ts'
import { type Client, literal } from './client.ts'
import type { Tables } from './tables.ts'

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * The trigger that turns changes of a table into events, as SQL; table and function are named with their schemas, so that
 * it means the same whoever runs it. Throws `INVALID_OPTION` for what is not there.
 */
export function capture(client: Client, t: Tables) {
  return async (options: CaptureOptions): Promise<string> => {
    const resolved = resolveCapture(options)
    const { table, type, source, key, backend, omit } = resolved
    const name = table.split('.').map(quote).join('.')
    const rows = await client.query(
      `SELECT a.attname AS name, format('%I.%I', c.relnamespace::regnamespace::text, c.relname) AS qualified,
  (SELECT format('%I.%I', p.pronamespace::regnamespace::text, p.proname) FROM pg_proc AS p WHERE p.oid = to_regproc($2)) AS function
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = coalesce(to_regclass($1), to_regclass($3)) AND c.relkind IN ('r', 'p') ORDER BY a.attnum`,
      // A plain name leads where the search path does, or else beside the outbox.
      [name, t.object('capture'), t.schema === undefined || table.includes('.') ? name : `${t.schema}.${name}`],
    )
    captureColumns(rows, resolved)
    for (const column of omit) {
      // The trigger's argument is a list with commas, and spaces around them do not count.
      if (!column.includes(',') && column.trim() === column) continue
      const message = `omit has the column ${column}, whose name cannot be written in a list; rename it`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'omit', value: column })
    }
    const given = [
      `type=${type}`,
      `source=${source}`,
      `key=${key}`,
      ...(backend === '' ? [] : [`backend=${backend}`]),
      ...(omit.length === 0 ? [] : [`omit=${omit.join(',')}`]),
    ]
    const trigger = quote(`${table.split('.').at(-1) ?? table}_outbox`)
    return `CREATE TRIGGER ${trigger} AFTER INSERT OR UPDATE OR DELETE ON ${rows[0]?.['qualified']}
  FOR EACH ROW EXECUTE FUNCTION ${rows[0]?.['function']}(${given.map(literal).join(', ')});
`
  }
}
