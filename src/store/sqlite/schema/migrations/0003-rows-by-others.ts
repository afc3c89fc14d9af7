import { NOW } from '../../values.ts'
import type { Migration } from '../migration.ts'
import { publishView } from './0003-publish-view.ts'

/** Events by others: a view to publish through, and parking of plain rows that are scheduled for later. */
export const rowsByOthers: Migration = {
  version: 3,
  name: 'rows-by-others',
  breaking: false,
  sql: (t) => `
-- Our own inserts park what is due later. A row by others would stay in the hot index, where each fetch passes it.
CREATE TRIGGER ${t.trigger('park')} AFTER INSERT ON ${t.events}
WHEN NEW.available_at IS NULL AND NEW.scheduled_at > ${NOW} AND NEW.status IN ('pending', 'retry', 'processing')
BEGIN
  UPDATE ${t.events} SET available_at = scheduled_at WHERE seq = NEW.seq;
END;
${publishView(t)}`,
}
