import type { Tables } from '../../tables.ts'
import type { Migration } from '../migration.ts'

/**
 * What a partitioned events table needs, so that it can be made at any time: where the ids are cut, and who has a source, an id and a
 * backend already. A plain table uses none of it.
 */
export const partitions: Migration = {
  version: 15,
  name: 'partitions',
  breaking: false,
  sql: (t) => `
CREATE TABLE IF NOT EXISTS ${t.partitions} (
  low uuid PRIMARY KEY,
  last uuid NOT NULL,
  name text NOT NULL,
  -- when the events in it were listed that may go, before it was taken out; NULL = it is a partition
  looked_at timestamptz,
  -- what was over by then; as a clock may be set back
  looked_in pg_snapshot
);

CREATE TABLE IF NOT EXISTS ${t.identities} (
  source varchar(255) NOT NULL,
  event_id text NOT NULL,
  publisher_backend varchar(100) NOT NULL,
  id uuid NOT NULL,
  PRIMARY KEY (source, event_id, publisher_backend)
);

${identify(t)}
${pinned(t)}`,
}

/** The triggers of a partitioned table that keep who has an identity. Their functions may do what a publisher may not. */
function identify(t: Tables): string {
  return `-- A row whose source, id and backend another event has is left out, as by the unique index of a table without partitions.
CREATE OR REPLACE FUNCTION ${t.object('identify')}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
DECLARE
  owner uuid;
BEGIN
  LOOP
    -- Waits for a transaction that is just publishing the same.
    INSERT INTO ${t.identities} (source, event_id, publisher_backend, id)
    VALUES (NEW.source, NEW.event_id, NEW.publisher_backend, NEW.id)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
      RETURN NEW;
    END IF;
    SELECT i.id INTO owner FROM ${t.identities} AS i
    WHERE i.source = NEW.source AND i.event_id = NEW.event_id AND i.publisher_backend = NEW.publisher_backend
    FOR UPDATE;
    -- Deleted between the two: whoever is the first to insert it again has it.
    CONTINUE WHEN NOT FOUND;
    IF owner <> NEW.id AND EXISTS (
      SELECT FROM ${t.events} AS e WHERE e.id = owner
        AND e.source = NEW.source AND e.event_id = NEW.event_id AND e.publisher_backend = NEW.publisher_backend) THEN
      -- One that comes back from a partition that was taken out, and is settled, stands beside the event that has its id by now.
      IF current_setting('broadcaster.taken_back', true) = 'yes' THEN
        RETURN NEW;
      END IF;
      RETURN NULL;
    END IF;
    -- That event was dropped with its partition, or is this one.
    UPDATE ${t.identities} AS i SET id = NEW.id
    WHERE i.source = NEW.source AND i.event_id = NEW.event_id AND i.publisher_backend = NEW.publisher_backend;
    RETURN NEW;
  END LOOP;
END $function$;

CREATE OR REPLACE FUNCTION ${t.object('forget_identity')}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
BEGIN
  DELETE FROM ${t.identities} AS i
  WHERE i.source = OLD.source AND i.event_id = OLD.event_id AND i.publisher_backend = OLD.publisher_backend AND i.id = OLD.id;
  RETURN NULL;
END $function$;
`
}

/** They find the outbox that they belong to, whatever the search path of the session is. */
function pinned(t: Tables): string {
  const names = ['identify', 'forget_identity'].map((suffix) => `'${bare(t.object(suffix))}'`)
  return `DO $do$
DECLARE
  which regprocedure;
  home text;
BEGIN
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

function bare(name: string): string {
  return name.replaceAll('"', '').split('.').at(-1) ?? ''
}
