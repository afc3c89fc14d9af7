import type { Tables } from '../../tables.ts'
import { UNSETTLED } from '../../values.ts'
import { scriptOf } from '../migration.ts'
import { createOutbox } from '../migrations/0001-create-outbox.ts'
import {
  coordinationTables,
  createIndex,
  type EventIndex,
  eventIndexes,
  eventTriggers,
  triggerFunctions,
  UUID_V7,
} from '../parts.ts'

/**
 * How a step of a take-over runs.
 *
 * - `transaction`: in one, with a short lock timeout. With `exclusive` nobody else uses the table for that moment.
 * - `batches`: its query by itself again and again, until it returns 0: each time one short transaction.
 * - `index`: `CREATE INDEX CONCURRENTLY`, which no transaction may hold.
 * - `alone`: one statement that reads the table but locks nobody out.
 */
export type TakeOverStep = {
  /** For people. */
  readonly name: string
} & (
  | { readonly how: 'transaction'; readonly sql: string; readonly exclusive: boolean }
  | { readonly how: 'batches'; readonly sql: string }
  | { readonly how: 'index'; readonly index: EventIndex; readonly sql: string }
  | { readonly how: 'alone'; readonly sql: string }
)

/** Rows numbered in one transaction: some 50 ms, for which a writer of one of these rows may wait. */
const BATCH = 2_000

/**
 * The progress of a take-over: `done` steps, and how far the old rows are numbered. New rows get numbers from `first`
 * on, so that old ones have room below.
 */
export function takeOverTable(t: Tables): string {
  return t.object('takeover')
}

/**
 * The take-over of a table made by Django, online (docs/decisions/0018-take-over.md): ACCESS EXCLUSIVE is taken three
 * times, for changes of the catalog alone. Adding `seq` as an identity column would rewrite the table under it.
 */
export function takeOverSteps(t: Tables, lanes: number): readonly TakeOverStep[] {
  const state = takeOverTable(t)
  const batch = t.object('takeover_batch')
  const sequence = t.named('seq_seq')
  const check = t.index('complete')
  return [
    {
      name: 'make the tables beside it',
      how: 'transaction',
      exclusive: false,
      // The count is doubled: what is inserted until new rows take their numbers from the sequence needs one, too.
      sql: `CREATE TABLE IF NOT EXISTS ${t.settings} (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  lanes integer NOT NULL CHECK (lanes BETWEEN 1 AND 1024)
);
INSERT INTO ${t.settings} (lanes) VALUES (${lanes}) ON CONFLICT DO NOTHING;
${coordinationTables(t, 'CREATE TABLE IF NOT EXISTS')}
CREATE TABLE ${state} (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  done integer NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT '-infinity',
  id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
INSERT INTO ${state} (done, first) SELECT 0, 2 * count(*) + 1000000 FROM ${t.events};
CREATE SEQUENCE IF NOT EXISTS ${sequence} AS bigint;
SELECT setval('${sequence}', first, false) FROM ${state};
-- Whoever may insert into the table must be able to take a number, as with an identity column.
GRANT USAGE ON SEQUENCE ${sequence} TO PUBLIC;
DO $owner$ BEGIN
  EXECUTE format('ALTER SEQUENCE ${sequence} OWNER TO %I',
    (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = '${t.events}'::regclass));
END $owner$;
${triggerFunctions(t, lanes, 'CREATE OR REPLACE')}
-- Numbers the next rows in the order they were created; returns how many.
CREATE OR REPLACE FUNCTION ${batch}(size integer) RETURNS bigint LANGUAGE plpgsql AS $function$
DECLARE
  start ${state};
  numbered bigint;
BEGIN
  SELECT * INTO start FROM ${state} FOR UPDATE;
  WITH page AS MATERIALIZED (
    SELECT e.id, e.created_at
    FROM ${t.events} AS e
    WHERE e.seq IS NULL AND (e.created_at, e.id) > (start.created_at, start.id)
    ORDER BY e.created_at, e.id
    LIMIT size
  ), place AS (
    SELECT page.id, row_number() OVER (ORDER BY page.created_at, page.id) AS n FROM page
  ), filled AS (
    UPDATE ${t.events} AS e
    SET seq = start.last + place.n,
      lane = coalesce(e.lane, floor(random() * ${lanes})::smallint),
      available_at = CASE WHEN e.status IN ${UNSETTLED} AND e.scheduled_at > clock_timestamp() THEN e.scheduled_at END
    FROM place
    WHERE e.id = place.id AND e.seq IS NULL
  ), reached AS (
    SELECT page.created_at, page.id FROM page ORDER BY page.created_at DESC, page.id DESC LIMIT 1
  )
  UPDATE ${state} AS s
  SET last = s.last + (SELECT count(*) FROM page), created_at = reached.created_at, id = reached.id
  FROM reached
  RETURNING s.last - start.last INTO numbered;
  IF start.last + coalesce(numbered, 0) >= start.first THEN
    RAISE EXCEPTION 'more old rows than numbers below %', start.first;
  END IF;
  RETURN coalesce(numbered, 0);
END $function$;
`,
    },
    {
      name: 'add the columns, their defaults and the triggers',
      how: 'transaction',
      exclusive: true,
      // Each of these changes the catalog alone: no column that is added has a default yet.
      sql: `ALTER TABLE ${t.events}
  ADD COLUMN IF NOT EXISTS seq bigint,
  ADD COLUMN IF NOT EXISTS lane smallint,
  ADD COLUMN IF NOT EXISTS partition_key varchar(255),
  ADD COLUMN IF NOT EXISTS event_id text,
  ADD COLUMN IF NOT EXISTS event_time text,
  ADD COLUMN IF NOT EXISTS data_binary bytea,
  ADD COLUMN IF NOT EXISTS extensions json,
  ADD COLUMN IF NOT EXISTS available_at timestamptz,
  ADD COLUMN IF NOT EXISTS attempts json,
  ADD COLUMN IF NOT EXISTS progress json,
  ALTER COLUMN id SET DEFAULT ${UUID_V7},
  ALTER COLUMN spec_version SET DEFAULT '1.0',
  ALTER COLUMN subject SET DEFAULT '',
  ALTER COLUMN data_content_type SET DEFAULT 'application/json',
  ALTER COLUMN data_schema SET DEFAULT '',
  ALTER COLUMN status SET DEFAULT 'pending',
  ALTER COLUMN created_at SET DEFAULT statement_timestamp(),
  ALTER COLUMN updated_at SET DEFAULT statement_timestamp(),
  ALTER COLUMN scheduled_at SET DEFAULT statement_timestamp(),
  ALTER COLUMN retry_count SET DEFAULT 0,
  ALTER COLUMN max_retries SET DEFAULT 3,
  ALTER COLUMN last_error SET DEFAULT '',
  ALTER COLUMN publisher_backend SET DEFAULT '',
  ALTER COLUMN publisher_config SET DEFAULT '{}',
  ALTER COLUMN seq SET DEFAULT nextval('${sequence}');
ALTER SEQUENCE ${sequence} OWNED BY ${t.events}.seq;
${eventTriggers(t)}`,
    },
    { name: 'number the old rows', how: 'batches', sql: `SELECT ${batch}(${BATCH}) AS count` },
    {
      name: 'require lane and number of new rows',
      how: 'transaction',
      exclusive: true,
      sql: `ALTER TABLE ${t.events} ADD CONSTRAINT ${check} CHECK (seq IS NOT NULL AND lane IS NOT NULL) NOT VALID;\n`,
    },
    {
      name: 'look at the old rows for the same',
      how: 'alone',
      sql: `ALTER TABLE ${t.events} VALIDATE CONSTRAINT ${check}`,
    },
    ...eventIndexes(t).map(
      (index): TakeOverStep => ({
        name: `build the index ${t.index(index.suffix).replaceAll('"', '')}`,
        how: 'index',
        index,
        sql: createIndex(t, index, 'CONCURRENTLY '),
      }),
    ),
    {
      name: 'finish',
      how: 'transaction',
      exclusive: true,
      // NOT NULL is believed without reading the table, since the check was validated.
      sql: `ALTER TABLE ${t.events} ALTER COLUMN seq SET NOT NULL, ALTER COLUMN lane SET NOT NULL;
ALTER TABLE ${t.events} DROP CONSTRAINT ${check};
DROP FUNCTION ${batch}(integer);
DROP TABLE ${state};
${scriptOf(createOutbox, t, '')}`,
    },
  ]
}

/** The take-over as a script for `psql`: statement by statement, since indexes are built outside transactions. */
export function printTakeOver(t: Tables, lanes: number): string {
  const steps = takeOverSteps(t, lanes)
  const last = steps.length - 1
  const texts = steps.map((step, n) => `-- take-over ${n + 1}: ${step.name}\n${textOf(t, step, n, n === last)}`)
  return `-- Takes over a table made by Django Broadcaster, for psql with ON_ERROR_STOP. A step that gives up its lock
-- (lock_timeout) is run again; one that has run is not. \`broadcaster migrate\` goes on where a script stopped.
${texts.join('\n')}`
}

function textOf(t: Tables, step: TakeOverStep, n: number, last: boolean): string {
  const done = `UPDATE ${takeOverTable(t)} SET done = ${n + 1};\n`
  switch (step.how) {
    case 'transaction': {
      const note = step.exclusive ? '-- ACCESS EXCLUSIVE, for a moment\n' : ''
      return `${note}BEGIN;\nSET LOCAL lock_timeout = '200ms';\n${step.sql}${last ? '' : done}COMMIT;\n`
    }
    case 'batches':
      return `DO $batches$ BEGIN
  WHILE (${step.sql}) > 0 LOOP COMMIT; END LOOP;
END $batches$;
${done}`
    default:
      return `${step.sql};\n${done}`
  }
}
