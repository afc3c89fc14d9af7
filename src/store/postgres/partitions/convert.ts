import { BroadcasterError } from '../../../errors.ts'
import { patiently } from '../../patient-lock.ts'
import type { PartitionOptions, PartitionReport } from '../../store.ts'
import type { Client, ClientTransaction } from '../client.ts'
import { completeTrigger, createIndex, eventIndexes, wakeTrigger } from '../schema/parts.ts'
import { lockMigrations } from '../schema/takeover/take-over.ts'
import type { Tables } from '../tables.ts'
import { makeAhead } from './ahead.ts'
import { bareIn, beginOf, type Cut, cutsFrom, FIRST_ID, horizonOf, idAfter, idAt, idBefore, qualify } from './cuts.ts'
import { createPartition, freeOf } from './ddl.ts'

/** How long it waits for the table, with all who come later behind it, and how long it gives way, in ms; and for how long it tries. */
const LOCK_WAIT = 100
const LOCK_PAUSE = 900
const PATIENCE = 300_000
/** The table is read once while nobody can publish: of more than this many bytes that takes too long. */
const MOST_BYTES = 16 * 1024 * 1024
/** PostgreSQL 13 looks into each partition for each id that it settles. */
const OLDEST = 140_000

/** What is known of the table, read under its lock. */
interface Facts {
  readonly columns: string
  readonly options: string
  readonly owner: string
  /** Which partitions come first. */
  readonly cuts: readonly Cut[]
  readonly horizon: string
  /** The last number that was drawn. */
  readonly seq: string
}

/**
 * Makes a partitioned table of the events table, in one transaction: what is there becomes its default partition. Does nothing but
 * making partitions ahead where it is one already. Throws `INVALID_OPTION` for a table that cannot become one, before anything is changed.
 */
export function partition(client: Client, t: Tables) {
  return async ({ interval = 'day', ahead = 7, dryRun = false }: PartitionOptions = {}): Promise<PartitionReport> => {
    const work = async (tx: ClientTransaction): Promise<string | undefined> => {
      await tx.query(`SELECT set_config('lock_timeout', $1, true)`, [`${LOCK_WAIT}ms`])
      await lockMigrations(tx, t)
      if (await isPartitionedNow(tx, t)) return undefined
      await refuseUnfit(tx, t)
      if (!dryRun) await tx.script(`LOCK TABLE ${t.events} IN ACCESS EXCLUSIVE MODE`)
      const facts = await factsOf(tx, t, interval, ahead)
      const sql = conversion(t, facts)
      if (!dryRun) await tx.script(sql)
      return sql
    }
    const sql = await patiently(
      () => client.transaction(work),
      LOCK_PAUSE,
      PATIENCE,
      async () =>
        `${name(t)} could not be locked for ${PATIENCE / 60_000} minutes; let long transactions end, and run \`broadcaster partition\` again`,
    )
    if (dryRun) return { converted: false, made: 0, sql: sql ?? '' }
    const made = sql === undefined ? await makeAhead(client, t, { ahead, prover: client }) : 0
    return { converted: sql !== undefined, made }
  }
}

const name = (t: Tables): string => t.events.replaceAll('"', '')

export async function isPartitionedNow(on: Pick<Client, 'query'>, t: Tables): Promise<boolean> {
  // Naming pg_class makes this session see what others made: by itself to_regclass answers from a cache.
  const [row] = await on.query(`SELECT c.relkind FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass($1)`, [
    t.events,
  ])
  return row?.['relkind'] === 'p'
}

const OURS = ['identity', 'hot', 'parked', 'troubled', 'pkey']
const TRIGGERS = ['complete_row', 'wake']

async function refuseUnfit(tx: ClientTransaction, t: Tables): Promise<void> {
  const text = `
SELECT current_setting('server_version_num') AS server, pg_table_size(c.oid) AS size,
  (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'id') AS id,
  (SELECT a.attidentity FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'seq') AS seq,
  array_to_string(ARRAY(
    SELECT 'the index ' || i.relname FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
      WHERE x.indrelid = c.oid AND i.relname <> ALL ($2::text[])
    UNION ALL SELECT 'the trigger ' || g.tgname FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND g.tgname <> ALL ($3::text[])
      AND (NOT g.tgisinternal OR g.tgconstrrelid <> 0)
    UNION ALL SELECT 'the foreign key ' || k.conname FROM pg_constraint AS k
      WHERE k.contype = 'f' AND (k.confrelid = c.oid OR k.conrelid = c.oid)
    UNION ALL SELECT DISTINCT 'the view ' || v.ev_class::regclass FROM pg_depend AS d JOIN pg_rewrite AS v ON v.oid = d.objid
      WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND v.ev_class <> c.oid
    UNION ALL SELECT 'the publication ' || p.pubname FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
      WHERE r.prrelid = c.oid
    UNION ALL SELECT 'row security' WHERE c.relrowsecurity
    UNION ALL SELECT 'inheritance' WHERE EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhparent = c.oid OR h.inhrelid = c.oid)
  ), ', ') AS others
FROM pg_class AS c WHERE c.oid = to_regclass($1)`
  const names = OURS.map((suffix) => bareIn(t, suffix))
  const [row] = await tx.query(text, [t.events, names, TRIGGERS.map((suffix) => bareIn(t, suffix))])
  if (row === undefined) throw refused(t, 'is not there; run `broadcaster migrate` first')
  if (Number(row['server']) < OLDEST) throw refused(t, 'is on PostgreSQL 13, and partitions need 14 or later')
  if (row['id'] !== 'uuid') throw refused(t, `has an id of type ${row['id']}; partitions are ranges of UUIDs`)
  if (row['seq'] !== 'd') throw refused(t, 'was taken over from Django Broadcaster, whose ids have no time in them')
  if (row['others'])
    throw refused(
      t,
      `has what would stay with its rows of now: ${row['others']}; drop it first, and make it again on the partitioned table`,
    )
  if (Number(row['size']) > MOST_BYTES)
    throw refused(
      t,
      `has ${Math.round(Number(row['size']) / 1e6)} MB, and is read while nobody can publish: ${MOST_BYTES / 1024 / 1024} MB at most; let retention empty it and run \`VACUUM\` first, or begin with a new outbox`,
    )
}

function refused(t: Tables, why: string): BroadcasterError {
  return new BroadcasterError('PARTITION_REFUSED', `${name(t)} ${why}`)
}

async function factsOf(
  tx: ClientTransaction,
  t: Tables,
  interval: NonNullable<PartitionOptions['interval']>,
  ahead: number,
): Promise<Facts> {
  const text = `
SELECT date_part('epoch', clock_timestamp()) * 1000 AS now, pg_get_userbyid(c.relowner) AS owner,
  coalesce(array_to_string(c.reloptions, ', '), 'fillfactor=50') AS options,
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'seq')::regclass), 0) AS seq
FROM pg_class AS c WHERE c.oid = to_regclass($1)`
  const [row] = await tx.query(text, [t.events])
  const now = Number(row?.['now'])
  // What was published today stays in the default: it is not copied while everybody waits.
  const [young] = await tx.query(`SELECT id FROM ${t.events} WHERE id >= $1::uuid AND id < $2::uuid LIMIT 1`, [
    idAt(beginOf(now, interval)),
    idAt(beginOf(now, interval, 1)),
  ])
  const first = beginOf(now, interval, young === undefined ? 0 : 1)
  return {
    columns: row?.['columns'] ?? '',
    options: row?.['options'] ?? '',
    owner: row?.['owner'] ?? '',
    cuts: cutsFrom(t, first, interval, ahead + 1),
    horizon: horizonOf(now),
    seq: row?.['seq'] ?? '0',
  }
}

/** The SQL of the conversion, without BEGIN and COMMIT. */
function conversion(t: Tables, { columns, options, owner, cuts, horizon, seq }: Facts): string {
  const rest = bareIn(t, 'default')
  const sequence = t.named('seq_seq')
  const low = cuts[0]?.low ?? FIRST_ID
  const ahead: Cut = { low: idAfter(cuts.at(-1)?.last ?? ''), last: idBefore(horizon), name: bareIn(t, 'ahead') }
  const all = [...cuts, ahead]
  const renamed = ['pkey', 'hot', 'parked', 'troubled']
    .map((suffix) => `ALTER INDEX ${t.named(suffix)} RENAME TO "${rest}_${suffix}";`)
    .join('\n')
  const indexes = eventIndexes(t).map((index) => `${createIndex(t, index).replace('UNIQUE ', '')};`)
  const made = all
    .map((cut) => `${createPartition(t, cut, options)};\nALTER TABLE ${qualify(t, cut.name)} OWNER TO "${owner}";`)
    .join('\n')
  const rows = [...all, { low: horizon, last: idBefore(low), name: rest }].map(
    (cut) => `('${cut.low}', '${cut.last}', '${cut.name}')`,
  )
  return `
ALTER TABLE ${t.events} RENAME TO "${rest}";
DROP TRIGGER ${t.index('complete_row')} ON ${qualify(t, rest)};
DROP TRIGGER ${t.index('wake')} ON ${qualify(t, rest)};
${renamed}
DROP INDEX ${t.named('identity')};
ALTER TABLE ${qualify(t, rest)} ALTER seq DROP IDENTITY;
CREATE TABLE ${t.events} (LIKE ${qualify(t, rest)} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)
  PARTITION BY RANGE (id);
ALTER TABLE ${t.events} OWNER TO "${owner}";
CREATE SEQUENCE ${sequence} START WITH ${BigInt(seq) + 1n};
ALTER SEQUENCE ${sequence} OWNER TO "${owner}";
ALTER SEQUENCE ${sequence} OWNED BY ${t.events}.seq;
GRANT USAGE ON SEQUENCE ${sequence} TO PUBLIC;
ALTER TABLE ${t.events} ALTER seq SET DEFAULT nextval('${sequence}');
ALTER TABLE ${t.events} ADD CONSTRAINT ${t.index('pkey')} PRIMARY KEY (id);
${indexes.join('\n')}
${made}
WITH moved AS (
  DELETE FROM ${qualify(t, rest)} WHERE id >= '${low}' AND id < '${horizon}' RETURNING *
)
INSERT INTO ${t.events} (${columns}) SELECT ${columns} FROM moved;
${freeOf(t, low, horizon)};
ALTER TABLE ${t.events} ATTACH PARTITION ${qualify(t, rest)} DEFAULT;
INSERT INTO ${t.partitions} (low, last, name) VALUES
  ${rows.join(',\n  ')};
INSERT INTO ${t.identities} (source, event_id, publisher_backend, id)
SELECT e.source, e.event_id, e.publisher_backend, e.id FROM ${t.events} AS e WHERE e.event_id IS NOT NULL;
${completeTrigger(t)}${wakeTrigger(t)}${identityTriggers(t)}${grants(t, rest)}`
}

function identityTriggers(t: Tables): string {
  return `CREATE TRIGGER ${t.index('identify')} BEFORE INSERT ON ${t.events} FOR EACH ROW
  WHEN (NEW.event_id IS NOT NULL)
  EXECUTE FUNCTION ${t.object('identify')}();
CREATE TRIGGER ${t.index('forget_identity')} AFTER DELETE ON ${t.events} FOR EACH ROW
  WHEN (OLD.event_id IS NOT NULL)
  EXECUTE FUNCTION ${t.object('forget_identity')}();
`
}

/**
 * Who had rights on the table, or on a column of it, has them on the new one; and who fetched from it may read where its ids are cut, as a
 * fetch does from now on.
 */
function grants(t: Tables, from: string): string {
  return `DO $do$
DECLARE
  line text;
BEGIN
  FOR line IN
    SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, '${t.events}'::regclass,
      CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = '${qualify(t, from)}'::regclass AND a.grantee <> c.relowner
    UNION ALL
    SELECT format('GRANT %s (%I) ON %s TO %s', a.privilege_type, c.attname, '${t.events}'::regclass,
      CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
    FROM pg_catalog.pg_attribute AS c, aclexplode(c.attacl) AS a WHERE c.attrelid = '${qualify(t, from)}'::regclass
    UNION ALL
    SELECT DISTINCT format('GRANT SELECT ON %s TO %s', '${t.partitions}'::regclass,
      CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
    FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS a
    WHERE c.oid = '${qualify(t, from)}'::regclass AND a.privilege_type = 'SELECT'
  LOOP
    EXECUTE line;
  END LOOP;
END $do$;
`
}
