import type { Tables } from '../../tables.ts'
import type { Migration } from '../migration.ts'
import { MEDIA_TYPE, NONCHARACTERS, URI, URI_REFERENCE } from './0003-patterns.ts'

/**
 * Publishing from triggers, migrations and other languages: `outbox_publish(...)` checks as `publish` does, and
 * `outbox_capture()` is a trigger function that turns changes of rows into events.
 */
export const publishBySql: Migration = {
  version: 3,
  name: 'publish-by-sql',
  breaking: false,
  sql: (t) => `${textProblem(t)}\n${extensionProblems(t)}\n${publish(t)}\n${capture(t)}`,
}

/** What is wrong with a text attribute, continuing its name; NULL = nothing. */
function textProblem(t: Tables): string {
  return `CREATE FUNCTION ${t.object('text_problem')}(value text, width integer) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
  SELECT CASE
    WHEN value IS NULL THEN 'is missing; every CloudEvent has one'
    WHEN value = '' THEN 'is empty; give a text or leave it out'
    WHEN value ~ '${NONCHARACTERS}' THEN
      'contains a control character or a noncharacter; take it out'
    WHEN char_length(value) > width THEN 'has ' || char_length(value) || ' characters; at most ' || width || ' fit'
  END
$function$;
`
}

/** What is wrong with the extension attributes: one line for each. */
function extensionProblems(t: Tables): string {
  return `CREATE FUNCTION ${t.object('extension_problems')}(extensions json) RETURNS text[] LANGUAGE sql IMMUTABLE AS $function$
  SELECT array_agg('extensions.' || each.key || ' ' || CASE
    WHEN each.key IN ('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema', 'data', 'data_base64')
      THEN 'is no extension but part of every CloudEvent; give it as an argument'
    WHEN each.key !~ '^[a-z0-9]+$' THEN 'is not a valid extension name; use only a-z and 0-9'
    WHEN each.type = 'string' THEN ${t.object('text_problem')}(each.text, 2147483647)
    WHEN each.type = 'number' THEN 'is ' || each.text || '; a number must be an integer of 32 bits: write others as a string'
    ELSE 'is an ' || each.type || '; an extension is a string, a boolean or an integer of 32 bits'
  END)
  FROM (
    SELECT e.key, json_typeof(e.value) AS type, e.value #>> '{}' AS text FROM json_each(extensions) AS e
  ) AS each
  WHERE each.type <> 'null' AND NOT (each.key ~ '^[a-z0-9]+$'
    AND each.key NOT IN ('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema', 'data')
    AND CASE each.type
      WHEN 'boolean' THEN true
      WHEN 'string' THEN each.text !~ '${NONCHARACTERS}'
      WHEN 'number' THEN each.text::numeric = trunc(each.text::numeric) AND each.text::numeric BETWEEN -2147483648 AND 2147483647
      ELSE false
    END)
$function$;
`
}

function publish(t: Tables): string {
  const check = t.object('text_problem')
  return `-- Publishes one event in the caller's transaction; returns the id of its row, or of the one that has its source, id and backend already.
CREATE FUNCTION ${t.object('publish')}(
  type text,
  source text,
  data json DEFAULT NULL,
  subject text DEFAULT '',
  partition_key text DEFAULT NULL,
  backend text DEFAULT '',
  delay interval DEFAULT NULL,
  scheduled_at timestamptz DEFAULT NULL,
  id text DEFAULT NULL,
  event_time timestamptz DEFAULT NULL,
  data_content_type text DEFAULT NULL,
  data_schema text DEFAULT '',
  extensions json DEFAULT NULL,
  max_retries integer DEFAULT 3,
  config json DEFAULT '{}',
  data_binary bytea DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql AS $function$
#variable_conflict use_column
DECLARE
  p_type ALIAS FOR $1;
  p_source ALIAS FOR $2;
  p_data ALIAS FOR $3;
  p_subject ALIAS FOR $4;
  p_key ALIAS FOR $5;
  p_backend ALIAS FOR $6;
  p_delay ALIAS FOR $7;
  p_scheduled_at ALIAS FOR $8;
  p_id ALIAS FOR $9;
  p_time ALIAS FOR $10;
  p_content_type ALIAS FOR $11;
  p_schema ALIAS FOR $12;
  p_extensions ALIAS FOR $13;
  p_retries ALIAS FOR $14;
  p_config ALIAS FOR $15;
  p_binary ALIAS FOR $16;
  problems text[] := '{}';
  problem text;
  key text := p_key;
  content_type text := coalesce(p_content_type,
    CASE WHEN p_binary IS NULL THEN 'application/json' ELSE 'application/octet-stream' END);
  attributes text;
  media text;
  charset text;
  row_id uuid;
BEGIN
  -- Attributes that must be there, then those that may.
  problem := ${check}(p_type, 255);
  IF problem IS NOT NULL THEN problems := problems || ('type ' || problem); END IF;
  problem := coalesce(${check}(p_source, 255), CASE WHEN p_source !~ '${URI_REFERENCE}' THEN
    'is ' || left(to_json(p_source)::text, 80) || ', not a URI-reference (RFC 3986); write it like "/orders", percent-encoded' END);
  IF problem IS NOT NULL THEN problems := problems || ('source ' || problem); END IF;
  IF p_subject <> '' THEN
    problem := ${check}(p_subject, 255);
    IF problem IS NOT NULL THEN problems := problems || ('subject ' || problem); END IF;
  END IF;
  IF p_id IS NOT NULL THEN
    problem := ${check}(p_id, 255);
    IF problem IS NOT NULL THEN problems := problems || ('id ' || problem); END IF;
  END IF;
  IF content_type <> '' THEN
    problem := coalesce(${check}(content_type, 100), CASE WHEN content_type !~ '${MEDIA_TYPE}' THEN
      'is ' || left(to_json(content_type)::text, 80) || ', not a media type (RFC 2046); write it like "application/json"' END);
    IF problem IS NOT NULL THEN problems := problems || ('data_content_type ' || problem); END IF;
  END IF;
  IF p_schema <> '' THEN
    problem := coalesce(${check}(p_schema, 200), CASE WHEN p_schema !~ '${URI}' THEN
      'is ' || left(to_json(p_schema)::text, 80) || ', not an absolute URI; write it like "https://example.com/order.json"' END);
    IF problem IS NOT NULL THEN problems := problems || ('data_schema ' || problem); END IF;
  END IF;

  IF json_typeof(p_extensions) NOT IN ('object', 'null') THEN
    problems := problems || text 'extensions is no object; give one of attribute names and values';
  ELSIF json_typeof(p_extensions) = 'object' THEN
    problems := problems || coalesce(${t.object('extension_problems')}(p_extensions), '{}');
    IF json_typeof(p_extensions -> 'partitionkey') <> 'null' THEN
      IF key <> p_extensions ->> 'partitionkey' THEN
        problems := problems || text 'extensions.partitionkey differs from partition_key; give one of them';
      END IF;
      IF json_typeof(p_extensions -> 'partitionkey') <> 'string' THEN
        problems := problems || text 'extensions.partitionkey is no text; it must be one, or left out';
      END IF;
      key := p_extensions ->> 'partitionkey';
    END IF;
    SELECT '{' || string_agg(to_json(e.key)::text || ':' || e.value::text, ',') || '}' INTO attributes
    FROM json_each(p_extensions) AS e
    WHERE e.key <> 'partitionkey' AND json_typeof(e.value) <> 'null';
  END IF;
  IF key IS NOT NULL THEN
    problem := ${check}(key, 255);
    IF problem IS NOT NULL THEN problems := problems || ('partition_key ' || problem); END IF;
  END IF;

  IF json_typeof(p_data) = 'null' THEN p_data := NULL; END IF;
  IF p_data IS NOT NULL AND p_binary IS NOT NULL THEN
    problems := problems || text 'data stands beside data_binary; an event has one of them';
  END IF;
  media := lower(btrim(split_part(content_type, ';', 1)));
  media := substr(media, strpos(media, '/') + 1);
  IF p_data IS NOT NULL AND media NOT IN ('', 'json') AND right(media, 5) <> '+json' THEN
    charset := lower(coalesce(substring(content_type FROM '(?i);[ \\t]*charset="([^"]*)"'),
      substring(content_type FROM '(?i);[ \\t]*charset=([^";, \\t]+)')));
    IF json_typeof(p_data) <> 'string' THEN
      problems := problems || format('data is no text, but "%s" is not JSON; give a JSON string, or data_binary', content_type);
    ELSIF charset NOT IN ('utf-8', 'utf8', 'us-ascii') THEN
      problems := problems || format('data is a text, which is sent as UTF-8, but "%s" says otherwise; give data_binary', content_type);
    END IF;
  END IF;

  -- How to deliver it.
  IF p_backend <> '' AND char_length(p_backend) > 100 THEN
    problems := problems || text 'backend has more than 100 characters; give the name of a backend, or leave it out';
  END IF;
  IF NOT coalesce(p_delay BETWEEN interval '0' AND interval '100 years', true) THEN
    problems := problems || format('delay is %s; give an interval from 0 to a hundred years', p_delay);
  END IF;
  IF p_delay > interval '0' AND p_scheduled_at IS NOT NULL THEN
    problems := problems || text 'delay stands beside scheduled_at; give one of them';
  END IF;
  IF NOT (p_scheduled_at >= timestamptz '0001-01-01 00:00:00+00' AND p_scheduled_at < timestamptz '9999-01-01 00:00:00+00') THEN
    problems := problems || format('scheduled_at is %s; give an instant of the years 1 to 9998', p_scheduled_at);
  END IF;
  IF coalesce(p_retries, -1) < 0 THEN
    problems := problems || format('max_retries is %s; give a whole number, 0 or more', coalesce(p_retries::text, 'NULL'));
  END IF;
  IF coalesce(json_typeof(p_config), 'null') <> 'object' THEN
    problems := problems || text 'config is no object; give one, or leave it out';
  END IF;

  IF cardinality(problems) > 0 THEN
    RAISE EXCEPTION 'the event is refused:%', CASE WHEN cardinality(problems) = 1 THEN ' ' || problems[1]
      ELSE E'\\n- ' || array_to_string(problems, E'\\n- ') END
      USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- Lane and parking are given by the trigger of rows by others.
  INSERT INTO ${t.events} (event_type, source, subject, data_content_type, data_schema, data, data_binary, event_id, event_time,
    partition_key, extensions, scheduled_at, max_retries, publisher_backend, publisher_config)
  VALUES (p_type, p_source, coalesce(p_subject, ''), content_type, coalesce(p_schema, ''), p_data, p_binary, p_id,
    to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), key, attributes::json,
    coalesce(p_scheduled_at, statement_timestamp() + coalesce(p_delay, interval '0')), p_retries,
    coalesce(p_backend, ''), p_config)
  ON CONFLICT DO NOTHING
  RETURNING id INTO row_id;
  IF row_id IS NULL THEN
    SELECT e.id INTO row_id FROM ${t.events} AS e
    WHERE e.source = p_source AND e.event_id = p_id AND e.publisher_backend = coalesce(p_backend, '');
  END IF;
  IF row_id IS NULL THEN
    RAISE EXCEPTION 'the event % of % was stored by another transaction and is gone again; try again', p_id, p_source
      USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN row_id;
END $function$;
`
}

function capture(t: Tables): string {
  return `-- A trigger function: each row that is inserted, updated or deleted becomes an event <type>.created, .updated or .deleted.
CREATE FUNCTION ${t.object('capture')}() RETURNS trigger LANGUAGE plpgsql AS $function$
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
      WHEN 'omit' THEN omit := regexp_split_to_array(value, '\\s*,\\s*');
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
