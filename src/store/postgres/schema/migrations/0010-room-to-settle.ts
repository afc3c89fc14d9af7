import type { Migration } from '../migration.ts'

/**
 * Half-empty pages of events: the row that says `published` finds room beside the one that said `pending`, and is logged as the
 * difference, a third of the write-ahead log. Pages that are there stay as they are, and so does a choice that somebody has made.
 */
export const roomToSettle: Migration = {
  version: 10,
  name: 'room-to-settle',
  breaking: false,
  sql: (t) => `
DO $do$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
    WHERE c.oid = to_regclass('${t.events}') AND array_to_string(c.reloptions, ',') LIKE '%fillfactor=%') THEN
    ALTER TABLE ${t.events} SET (fillfactor = 50);
  END IF;
END $do$;
`,
}
