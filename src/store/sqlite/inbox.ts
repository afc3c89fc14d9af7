import { type InboxStore, listedEntry } from '../inbox-store.ts'
import { fromSqlDate } from '../values.ts'
import { askTable } from './ask-table.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** The statements that run on the caller's transaction: enter, withdraw. */
export function inboxTexts(t: Tables): readonly [readonly string[], readonly string[]] {
  return [
    [
      `INSERT INTO ${t.inbox} (consumer, source, event_id, handled_at) VALUES (`,
      ', ',
      ', ',
      `, ${NOW}) ON CONFLICT DO NOTHING RETURNING 1 AS entered`,
    ],
    // Returns a row: with better-sqlite3, Drizzle's call that reads rows refuses a statement without any.
    [`DELETE FROM ${t.inbox} WHERE consumer = `, ' AND source = ', ' AND event_id = ', ' RETURNING 1 AS withdrawn'],
  ]
}

/** What each consumer has handled. SQLite has one writer at a time, so a second transaction waits before it begins. */
export function sqliteInbox(database: Database, t: Tables): InboxStore {
  const [enterStrings, withdrawStrings] = inboxTexts(t)
  const pruneText = `
    DELETE FROM ${t.inbox} WHERE (consumer, source, event_id) IN (
      SELECT consumer, source, event_id FROM ${t.inbox}
      WHERE handled_at <= ${nowPlus('-?')} ORDER BY handled_at LIMIT ?)
    RETURNING 1`
  const listed = `SELECT consumer, source, event_id, handled_at AS at FROM ${t.inbox}`
  const newestFirst = 'ORDER BY handled_at DESC, consumer DESC, source DESC, event_id DESC LIMIT ?'
  const nextText = `${listed} WHERE handled_at <= ? AND (handled_at, consumer, source, event_id) < (?, ?, ?, ?) ${newestFirst}`
  return {
    *enter({ consumer, source, eventId }) {
      const entered = yield* askTable(t.inbox, { strings: enterStrings, values: [consumer, source, eventId] })
      return entered.length > 0
    },
    *withdraw({ consumer, source, eventId }) {
      yield* askTable(t.inbox, { strings: withdrawStrings, values: [consumer, source, eventId] })
    },
    async list({ after, limit }) {
      const rows = await database.read((db) =>
        after
          ? db.all(nextText, after.at, after.at, after.consumer, after.source, after.eventId, limit)
          : db.all(`${listed} ${newestFirst}`, limit),
      )
      return rows.map((row) => listedEntry(row, fromSqlDate))
    },
    prune: ({ age, limit }) => database.write((db) => db.all(pruneText, age / 1_000, limit).length),
  }
}
