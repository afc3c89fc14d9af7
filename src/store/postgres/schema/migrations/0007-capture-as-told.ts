import type { Tables } from '../../tables.ts'
import type { Migration } from '../migration.ts'
import { pinned } from './0005-pin-search-path.ts'

/**
 * A capture does what its trigger says, or tells that it cannot: a column in `omit` that the table does not have would
 * publish the one that was meant. And what the functions say of backslashes holds in every session: where
 * standard_conforming_strings is off, `'\s'` is the letter s, and no pattern of theirs means what it should.
 */
export const captureAsTold: Migration = {
  version: 7,
  name: 'capture-as-told',
  breaking: false,
  sql: (t) => `${capture(t)}\n${pinned(t)}\n${pinStrings(t)}`,
}

/** The other two functions are called by these alone, and so under the same setting. */
function pinStrings(t: Tables): string {
  const names = ['publish', 'capture'].map((suffix) => `'${t.object(suffix).replaceAll('"', '').split('.').at(-1)}'`)
  return `DO $do$
DECLARE
  which regprocedure;
BEGIN
  FOR which IN
    SELECT p.oid::regprocedure FROM pg_catalog.pg_proc AS p
    WHERE p.proname IN (${names.join(', ')})
      AND p.pronamespace = (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass('${t.events}'))
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET standard_conforming_strings = on', which);
  END LOOP;
END $do$;
`
}

function capture(t: Tables): string {
  return `-- A trigger function: each row that is inserted, updated or deleted becomes an event <type>.created, .updated or .deleted.
CREATE OR REPLACE FUNCTION ${t.object('capture')}() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
  argument text;
  name text;
  value text;
  type text := TG_TABLE_NAME;
  source text := '/' || TG_TABLE_SCHEMA || '/' || TG_TABLE_NAME;
  key_column text := 'id';
  backend text := '';
  omit text[] := '{}';
  before json;
  after json;
  present json;
  key text;
BEGIN
  IF TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'ROW' OR TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION 'trigger % is % % FOR EACH %; make it AFTER INSERT OR UPDATE OR DELETE ... FOR EACH ROW',
      TG_NAME, TG_WHEN, TG_OP, TG_LEVEL USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOREACH argument IN ARRAY coalesce(TG_ARGV[:], '{}') LOOP
    name := split_part(argument, '=', 1);
    value := substr(argument, char_length(name) + 2);
    CASE name
      WHEN 'type' THEN type := value;
      WHEN 'source' THEN source := value;
      WHEN 'key' THEN key_column := nullif(value, '');
      WHEN 'backend' THEN backend := value;
      WHEN 'omit' THEN omit := array(SELECT btrim(one, E' \\t\\r\\n') FROM unnest(string_to_array(value, ',')) AS each(one)
        WHERE btrim(one, E' \\t\\r\\n') <> '');
      ELSE
        RAISE EXCEPTION 'trigger % has an argument "%"; give type=, source=, key=, backend= or omit=', TG_NAME, argument
          USING ERRCODE = 'invalid_parameter_value';
    END CASE;
  END LOOP;
  IF TG_OP <> 'INSERT' THEN before := row_to_json(OLD); END IF;
  IF TG_OP <> 'DELETE' THEN after := row_to_json(NEW); END IF;
  present := coalesce(after, before);
  IF key_column IS NOT NULL THEN
    IF json_typeof(present -> key_column) IS NULL THEN
      RAISE EXCEPTION 'trigger % says key=%, and % has no such column; name one, or give key= for events without a key',
        TG_NAME, key_column, TG_TABLE_NAME USING ERRCODE = 'invalid_parameter_value';
    END IF;
    key := present ->> key_column;
  END IF;
  IF cardinality(omit) > 0 THEN
    FOREACH name IN ARRAY omit LOOP
      IF json_typeof(present -> name) IS NULL THEN
        RAISE EXCEPTION 'trigger % says omit=%, and % has no such column; it has %', TG_NAME, name, TG_TABLE_NAME,
          (SELECT string_agg(e.key, ', ') FROM json_each(present) AS e) USING ERRCODE = 'invalid_parameter_value';
      END IF;
    END LOOP;
    before := (SELECT json_object_agg(e.key, e.value) FROM json_each(before) AS e WHERE e.key <> ALL (omit));
    after := (SELECT json_object_agg(e.key, e.value) FROM json_each(after) AS e WHERE e.key <> ALL (omit));
  END IF;
  IF TG_OP = 'UPDATE' AND before::text = after::text THEN
    RETURN NULL;
  END IF;
  PERFORM ${t.object('publish')}(
    type => type || CASE TG_OP WHEN 'INSERT' THEN '.created' WHEN 'UPDATE' THEN '.updated' ELSE '.deleted' END,
    source => source,
    data => json_build_object('before', before, 'after', after),
    subject => coalesce(key, ''),
    partition_key => key,
    backend => backend);
  RETURN NULL;
END $function$;
`
}
