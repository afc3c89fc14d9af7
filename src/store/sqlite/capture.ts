import { type CaptureOptions, captureColumns, literalOf, resolveCapture } from '../capture.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The triggers that turn changes of a table into events, as SQL. */
export function capture(t: Tables) {
  return (db: Connection, options: CaptureOptions): string => {
    const resolved = resolveCapture(options)
    const { table, type, source, key, backend } = resolved
    const columns = captureColumns(db.all('SELECT name, type FROM pragma_table_info(?)', table), resolved)
    const object = (row: string): string =>
      `json_object(${columns.map(({ name, type }) => `${literalOf(name, false)}, ${jsonValue(`${row}.${quote(name)}`, type)}`).join(', ')})`
    const insert = (event: string, before: string, after: string, row: string): string => {
      const text = `CAST(${row}.${quote(key)} AS text)`
      return `INSERT INTO ${t.publish} (type, source, subject, partition_key, backend, data) VALUES (${literalOf(`${type}.${event}`, false)},
    ${literalOf(source, false)}, ${key === '' ? 'NULL, NULL' : `${text}, ${text}`}, ${literalOf(backend, false)},
    json_object('before', ${before}, 'after', ${after}));`
    }
    const trigger = (event: string, when: string, body: string, condition = ''): string =>
      `CREATE TRIGGER ${quote(`${table}_outbox_${event}`)} AFTER ${when} ON ${quote(table)}${condition}\nBEGIN\n  ${body}\nEND;\n`
    const changed = columns.map(({ name }) => `OLD.${quote(name)} IS NOT NEW.${quote(name)}`).join(' OR ')
    return `${trigger('created', 'INSERT', insert('created', 'NULL', object('NEW'), 'NEW'))}
${trigger('updated', 'UPDATE', insert('updated', object('OLD'), object('NEW'), 'NEW'), `\nWHEN ${changed}`)}
${trigger('deleted', 'DELETE', insert('deleted', object('OLD'), 'NULL', 'OLD'))}`
  }
}

/** Bytes as hexadecimal digits: JSON has none, and SQLite no Base64. */
function jsonValue(column: string, type: string): string {
  return /blob/i.test(type) ? `hex(${column})` : column
}
