import { type CaptureOptions, captureColumns, literalOf, resolveCapture } from '../capture.ts'
import type { Client } from './client.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``

/** The triggers that turn changes of a table into events, as SQL for the command `mysql`. */
export function capture(client: Client, t: Tables) {
  return async (options: CaptureOptions): Promise<string> => {
    const resolved = resolveCapture(options)
    const { table, type, source, key, backend } = resolved
    const rows = await client.query(sql`
SELECT column_name AS name, data_type AS type FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = ${table} ORDER BY ordinal_position`)
    const columns = captureColumns(rows, resolved)
    const object = (row: string): string =>
      `JSON_OBJECT(${columns.map(({ name, type }) => `${literalOf(name, true)}, ${jsonValue(`${row}.${quote(name)}`, type)}`).join(', ')})`
    const call = (event: string, before: string, after: string, row: string): string => {
      const text = `CAST(${row}.${quote(key)} AS CHAR)`
      const given = [
        ...(key === '' ? [] : [`'subject', ${text}, 'partition_key', ${text}`]),
        ...(backend === '' ? [] : [`'backend', ${literalOf(backend, true)}`]),
      ]
      return `CALL ${t.publish.text}(${literalOf(`${type}.${event}`, true)}, ${literalOf(source, true)},
    JSON_OBJECT('before', ${before}, 'after', ${after}), JSON_OBJECT(${given.join(', ')}))`
    }
    const trigger = (event: string, when: string, body: string): string =>
      `CREATE TRIGGER ${quote(`${table}_outbox_${event}`)} AFTER ${when} ON ${quote(table)} FOR EACH ROW\n  ${body} //\n`
    const same = columns.map(({ name }) => `OLD.${quote(name)} <=> NEW.${quote(name)}`).join(' AND ')
    return `DELIMITER //
${trigger('created', 'INSERT', call('created', 'NULL', object('NEW'), 'NEW'))}
${trigger('updated', 'UPDATE', `IF NOT (${same}) THEN\n  ${call('updated', object('OLD'), object('NEW'), 'NEW')}; END IF`)}
${trigger('deleted', 'DELETE', call('deleted', object('OLD'), 'NULL', 'OLD'))}DELIMITER ;
`
  }
}

/** Bytes as Base64, since JSON has none; on one line: TO_BASE64 breaks it after every 76 digits. */
function jsonValue(column: string, type: string): string {
  return /blob|binary|^bit$/i.test(type) ? `REPLACE(TO_BASE64(${column}), CHAR(10), '')` : column
}
