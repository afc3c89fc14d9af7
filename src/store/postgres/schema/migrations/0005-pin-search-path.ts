import type { Tables } from '../../tables.ts'
import type { Migration } from '../migration.ts'

/**
 * The functions through which SQL publishes write into the outbox that they belong to, whatever the session's search path
 * is. Without this a session of one tenant that changes a table of another would publish into its own outbox.
 */
export const pinSearchPath: Migration = {
  version: 5,
  name: 'pin-search-path',
  breaking: false,
  sql: pinned,
}

/** For each step that makes one of the functions anew: a function that is replaced loses its settings. */
export function pinned(t: Tables): string {
  const names = ['publish', 'capture'].map((suffix) => `'${t.object(suffix).replaceAll('"', '').split('.').at(-1)}'`)
  return `DO $do$
DECLARE
  which regprocedure;
  home text;
BEGIN
  -- Temporary tables last: unless named, they come first, and anybody can make one that is called like ours.
  FOR which, home IN
    SELECT p.oid::regprocedure, n.nspname FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.proname IN (${names.join(', ')})
      AND n.oid = (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass('${t.events}'))
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', which, home);
  END LOOP;
END $do$;
`
}
