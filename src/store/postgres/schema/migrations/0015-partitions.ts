import type { Tables } from '../../tables.ts'
import { LOCK_KEYS } from '../../values.ts'
import type { Migration } from '../migration.ts'

/**
 * What a partitioned events table needs, so that it can be made at any time: a wake-up that knows the table by its root, where the
 * ids are cut, and who has a source, an id and a backend already. A plain table uses none of the rest.
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
  looked_at timestamptz
);

CREATE TABLE IF NOT EXISTS ${t.identities} (
  source varchar(255) NOT NULL,
  event_id text NOT NULL,
  publisher_backend varchar(100) NOT NULL,
  id uuid NOT NULL,
  PRIMARY KEY (source, event_id, publisher_backend)
);

${wake(t)}
${identify(t)}
${pinned(t)}`,
}

/** As in the step before, but that a partition stands for the table it belongs to. */
function wake(t: Tables): string {
  return `CREATE OR REPLACE FUNCTION ${t.object('wake')}() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
  -- NULL for a table without partitions.
  outbox constant bigint := coalesce(pg_partition_root(TG_RELID), TG_RELID);
  -- Results that nobody needs are assigned, since an assignment is evaluated directly and PERFORM runs a query.
  ignored boolean;
  told text;
BEGIN
  -- Once in a transaction; where it fills several outboxes in turns, once for each turn.
  IF current_setting('broadcaster.told', true) = outbox::text THEN
    RETURN NULL;
  END IF;
  told := set_config('broadcaster.told', outbox::text, true);
  -- Marks this commit as under way, until it is over; shared, and nobody ever takes it alone. A relay that begins to
  -- wait lets those end first that may have looked for relays before it, and only then looks for events.
  ignored := pg_try_advisory_xact_lock_shared(${LOCK_KEYS.committing} + outbox);
  -- Waiting relays share this lock: that we get it alone means that there is none. (PGlite's one session says so itself.)
  IF pg_try_advisory_lock(${LOCK_KEYS.waiting} + outbox) THEN
    ignored := pg_advisory_unlock(${LOCK_KEYS.waiting} + outbox);
    IF current_setting('broadcaster.armed_' || outbox, true) IS DISTINCT FROM 'yes' THEN
      RETURN NULL;
    END IF;
  END IF;
  -- A commit that notifies holds a lock of the whole database. One at a time is enough: whom it wakes lets our commit
  -- end, too, before it waits again.
  IF pg_try_advisory_xact_lock(${LOCK_KEYS.telling} + outbox) THEN
    PERFORM pg_notify('broadcaster_' || outbox, '');
  END IF;
  RETURN NULL;
END $function$;
`
}

/** The triggers of a partitioned table that keep who has an identity. Their functions may do what a publisher may not. */
function identify(t: Tables): string {
  return `-- A row whose source, id and backend another event has is left out, as by the unique index of a table without partitions.
CREATE OR REPLACE FUNCTION ${t.object('identify')}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
DECLARE
  owner uuid;
BEGIN
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
  IF FOUND AND owner <> NEW.id AND EXISTS (
    SELECT FROM ${t.events} AS e WHERE e.id = owner
      AND e.source = NEW.source AND e.event_id = NEW.event_id AND e.publisher_backend = NEW.publisher_backend) THEN
    RETURN NULL;
  END IF;
  -- That event was dropped with its partition, or is this one.
  INSERT INTO ${t.identities} AS i (source, event_id, publisher_backend, id)
  VALUES (NEW.source, NEW.event_id, NEW.publisher_backend, NEW.id)
  ON CONFLICT (source, event_id, publisher_backend) DO UPDATE SET id = EXCLUDED.id;
  RETURN NEW;
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
