import type { Tables } from '../tables.ts'
import { LOCK_KEYS, UNSETTLED } from '../values.ts'

/*
 * The parts of the first step that a take-over makes, too. As much part of a released step as the step itself: they
 * never change.
 */

/** A UUID v7 by the database, for rows that others insert: retention relies on ids in the order of time. */
export const UUID_V7 = `encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    placing substring(int8send(floor(date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1), 'hex')::uuid`

/** An index of the events table. */
export interface EventIndex {
  readonly suffix: string
  /** All that follows its name. */
  readonly on: string
}

/** The indexes of the events table beside the primary key, as few as there can be. */
export function eventIndexes(t: Tables): readonly EventIndex[] {
  return [
    // publishing twice is one event
    {
      suffix: 'identity',
      on: `ON ${t.events} (source, event_id, publisher_backend)
  WHERE event_id IS NOT NULL`,
    },
    // what fetch reads
    {
      suffix: 'hot',
      on: `ON ${t.events} (publisher_backend, lane, seq)
  WHERE available_at IS NULL AND status IN ${UNSETTLED}`,
    },
    // what waits for a time, or behind a failed event
    {
      suffix: 'parked',
      on: `ON ${t.events} (publisher_backend, lane, available_at)
  WHERE available_at IS NOT NULL AND status IN ${UNSETTLED}`,
    },
    // what holds its key, and what people look at
    {
      suffix: 'troubled',
      on: `ON ${t.events} (publisher_backend, lane, seq)
  WHERE status IN ('retry', 'failed')`,
    },
  ]
}

/** `CREATE INDEX` for one of them, without a semicolon. */
export function createIndex(t: Tables, { suffix, on }: EventIndex, concurrently = ''): string {
  return `CREATE ${suffix === 'identity' ? 'UNIQUE ' : ''}INDEX ${concurrently}${t.index(suffix)} ${on}`
}

/** The functions of the triggers. `create` is `CREATE`, or `CREATE OR REPLACE`. */
export function triggerFunctions(t: Tables, lanes: number, create = 'CREATE'): string {
  return `-- Rows by others: the lane, which must follow the key, and parking of what is scheduled for later. Our own inserts
-- give both, so for them the function is never called.
${create} FUNCTION ${t.object('complete_row')}() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  IF NEW.lane IS NULL THEN
    NEW.lane := CASE WHEN NEW.partition_key IS NULL THEN floor(random() * ${lanes})
      ELSE ('x' || left(encode(sha256(convert_to(NEW.partition_key, 'UTF8')), 'hex'), 8))::bit(32)::bigint % ${lanes} END;
  END IF;
  IF NEW.available_at IS NULL AND NEW.scheduled_at > statement_timestamp() THEN
    NEW.available_at := NEW.scheduled_at;
  END IF;
  RETURN NEW;
END $function$;

-- Wake-up, by scheduled events too: a relay must learn the next due time. Runs at commit, once in a transaction. No table is read or written and nothing is waited for.
${create} FUNCTION ${t.object('wake')}() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
  outbox constant bigint := TG_RELID::bigint;
  told constant text := 'broadcaster.told_' || TG_RELID;
  -- Results that nobody needs are assigned, since an assignment is evaluated directly and PERFORM runs a query.
  ignored text;
BEGIN
  IF current_setting(told, true) = 'yes' THEN
    RETURN NULL;
  END IF;
  ignored := set_config(told, 'yes', true);
  -- Marks this commit as under way, until it is over; shared, and nobody ever takes it alone. A relay that begins to
  -- wait lets those end first that may have looked for relays before it, and only then looks for events.
  ignored := pg_try_advisory_xact_lock_shared(${LOCK_KEYS.committing} + outbox);
  -- Waiting relays share this lock: that we get it alone means that there is none. (PGlite's one session says so itself.)
  IF current_setting('broadcaster.armed_' || TG_RELID, true) IS DISTINCT FROM 'yes'
      AND pg_try_advisory_lock(${LOCK_KEYS.waiting} + outbox) THEN
    ignored := pg_advisory_unlock(${LOCK_KEYS.waiting} + outbox);
    RETURN NULL;
  END IF;
  -- A commit that notifies holds a lock of the whole database. One at a time is enough: whom it wakes lets our commit
  -- end, too, before it waits again.
  IF pg_try_advisory_xact_lock(${LOCK_KEYS.telling} + outbox) THEN
    PERFORM pg_notify('broadcaster_' || TG_RELID, '');
  END IF;
  RETURN NULL;
END $function$;
`
}

/** The triggers of the events table, as the first step makes them. */
export function eventTriggers(t: Tables): string {
  return `${completeTrigger(t)}${wakeTrigger(t, `\n  WHEN (NEW.status IN ${UNSETTLED})`)}`
}

/** Completes rows that others insert. */
export function completeTrigger(t: Tables): string {
  return `CREATE TRIGGER ${t.index('complete_row')} BEFORE INSERT ON ${t.events} FOR EACH ROW
  WHEN (NEW.lane IS NULL OR (NEW.available_at IS NULL AND NEW.scheduled_at > statement_timestamp()))
  EXECUTE FUNCTION ${t.object('complete_row')}();
`
}

/** Wakes relays at commit. `condition`: none since step 14. */
export function wakeTrigger(t: Tables, condition = ''): string {
  return `CREATE CONSTRAINT TRIGGER ${t.index('wake')} AFTER INSERT ON ${t.events}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW${condition}
  EXECUTE FUNCTION ${t.object('wake')}();
`
}

/** The tables in which workers find each other. `create` is `CREATE TABLE`, or the same with `IF NOT EXISTS`. */
export function coordinationTables(t: Tables, create = 'CREATE TABLE'): string {
  return `${create} ${t.workers} (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  backends text[] NOT NULL,
  entered_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Half-empty pages: an update finds room beside the old row and touches no index.
${create} ${t.lanes} (
  backend varchar(100) NOT NULL,
  lane smallint NOT NULL,
  owner uuid,
  fence bigint NOT NULL DEFAULT 0,
  attention bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (backend, lane)
) WITH (fillfactor = 50);

${create} ${t.breakers} (
  backend varchar(100) PRIMARY KEY,
  open boolean NOT NULL,
  probe_at timestamptz NOT NULL,
  since timestamptz NOT NULL,
  error text NOT NULL
);
`
}
