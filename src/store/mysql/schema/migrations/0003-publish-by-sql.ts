import type { Tables } from '../../tables.ts'
import { TEXT, UUID_V7 } from '../columns.ts'
import type { Migration } from '../migration.ts'
import { FORBIDDEN, MEDIA_TYPE, URI, URI_REFERENCE } from './0003-patterns.ts'

/**
 * Publishing from triggers, events of the server and other languages: a procedure, which needs CREATE ROUTINE alone. (A
 * function would need SUPER where there is a binary log.)
 */
export const publishBySql: Migration = {
  version: 3,
  name: 'publish-by-sql',
  breaking: false,
  statements: (t) => [`DROP PROCEDURE IF EXISTS ${t.publish.text}`, procedure(t)],
}

/** What to do when something is wrong: `when` is a condition, `message` an expression. MySQL shows 128 characters. */
function refuse(when: string, message: string): string {
  return `  IF problem IS NULL AND (${when}) THEN SET problem = ${message}; END IF;\n`
}

/** The rules of a text: its characters and its width. `name` is what the caller calls it. */
function text(variable: string, name: string, width: number): string {
  return `${refuse(`${variable} REGEXP ${FORBIDDEN}`, `'${name} contains a control character or a noncharacter; take it out'`)}${refuse(
    `CHAR_LENGTH(${variable}) > ${width}`,
    `CONCAT('${name} has ', CHAR_LENGTH(${variable}), ' characters; at most ${width} fit')`,
  )}`
}

/** A value for a message: quoted and short. */
const shown = (variable: string): string => `JSON_QUOTE(LEFT(${variable}, 30))`

const OPTIONS = [
  'subject',
  'partition_key',
  'backend',
  'delay',
  'scheduled_at',
  'id',
  'event_time',
  'data_content_type',
  'data_schema',
  'extensions',
  'max_retries',
  'config',
  'data_base64',
]

/** An option as text; NULL = not given, or null. */
const option = (name: string): string =>
  `CASE WHEN JSON_TYPE(JSON_EXTRACT(p_options, '$.${name}')) <> 'NULL' THEN JSON_UNQUOTE(JSON_EXTRACT(p_options, '$.${name}')) END`

function procedure(t: Tables): string {
  return `CREATE PROCEDURE ${t.publish.text}(
  IN p_type text ${TEXT}, IN p_source text ${TEXT}, IN p_data longtext ${TEXT}, IN p_options longtext ${TEXT})
SQL SECURITY INVOKER
COMMENT 'Publishes one event in the caller''s transaction; the id of its row is then in @outbox_published'
BEGIN
  DECLARE problem, o_subject, o_key, o_id, o_content, o_schema, o_backend, ext_key text ${TEXT} DEFAULT NULL;
  DECLARE o_delay, o_scheduled, o_time, o_retries, media, charset_name, row_id text ${TEXT} DEFAULT NULL;
  DECLARE o_extensions, o_config, o_base64, ext_keys, attributes, ext_value longtext ${TEXT} DEFAULT NULL;
  DECLARE due, happened datetime(6) DEFAULT NULL;
  DECLARE n int DEFAULT 0;

  IF p_options IS NOT NULL AND NOT JSON_VALID(p_options) THEN
    SET problem = 'options is not JSON; give an object, or NULL';
  ELSEIF p_options IS NOT NULL AND JSON_TYPE(p_options) NOT IN ('OBJECT', 'NULL') THEN
    SET problem = 'options is no JSON object; give one, or NULL';
  ELSEIF JSON_TYPE(p_options) = 'OBJECT' THEN
    SET ext_keys = JSON_KEYS(p_options);
    WHILE problem IS NULL AND n < JSON_LENGTH(ext_keys) DO
      SET ext_key = JSON_UNQUOTE(JSON_EXTRACT(ext_keys, CONCAT('$[', n, ']')));
      IF ext_key NOT IN (${OPTIONS.map((name) => `'${name}'`).join(', ')}) THEN
        SET problem = CONCAT(${shown('ext_key')}, ' is not an option; see docs/sql.md');
      END IF;
      SET n = n + 1;
    END WHILE;
    SET o_subject = ${option('subject')}, o_key = ${option('partition_key')}, o_backend = ${option('backend')},
      o_delay = ${option('delay')}, o_scheduled = ${option('scheduled_at')}, o_id = ${option('id')},
      o_time = ${option('event_time')}, o_content = ${option('data_content_type')}, o_schema = ${option('data_schema')},
      o_retries = ${option('max_retries')}, o_base64 = ${option('data_base64')},
      o_extensions = JSON_EXTRACT(p_options, '$.extensions'), o_config = JSON_EXTRACT(p_options, '$.config');
  END IF;

${refuse("COALESCE(p_type, '') = ''", "'type is missing; give a text'")}${text('p_type', 'type', 255)}${refuse(
  "COALESCE(p_source, '') = ''",
  `'source is missing; give a URI-reference such as "/orders"'`,
)}${text('p_source', 'source', 255)}${refuse(
  `p_source NOT REGEXP ${URI_REFERENCE}`,
  `CONCAT('source is ', ${shown('p_source')}, ', not a URI-reference; write it like "/orders"')`,
)}${text('o_subject', 'subject', 255)}${refuse("o_id = ''", "'id is empty; give a text or leave it out'")}${text('o_id', 'id', 255)}
  SET o_content = COALESCE(o_content, CASE WHEN o_base64 IS NULL THEN 'application/json' ELSE 'application/octet-stream' END);
${text('o_content', 'data_content_type', 100)}${refuse(
  `o_content <> '' AND o_content NOT REGEXP ${MEDIA_TYPE}`,
  `CONCAT('data_content_type is ', ${shown('o_content')}, ', not a media type like "application/json"')`,
)}${text('o_schema', 'data_schema', 200)}${refuse(
  `o_schema <> '' AND o_schema NOT REGEXP ${URI}`,
  `CONCAT('data_schema is ', ${shown('o_schema')}, ', not an absolute URI like "https://example.com/a.json"')`,
)}
${refuse('p_data IS NOT NULL AND NOT JSON_VALID(p_data)', "'data is not JSON; give JSON text, or data_base64'")}
  IF problem IS NULL AND JSON_TYPE(p_data) = 'NULL' THEN SET p_data = NULL; END IF;
${refuse('p_data IS NOT NULL AND o_base64 IS NOT NULL', "'data stands beside data_base64; give one of them'")}${refuse(
  'o_base64 IS NOT NULL AND FROM_BASE64(o_base64) IS NULL',
  "'data_base64 is not Base64 (RFC 4648, with padding)'",
)}
  SET media = LOWER(TRIM(SUBSTRING_INDEX(o_content, ';', 1)));
  SET charset_name = LOWER(TRIM(BOTH '"' FROM SUBSTRING_INDEX(SUBSTRING_INDEX(LOWER(o_content), 'charset=', -1), ';', 1)));
  IF problem IS NULL AND p_data IS NOT NULL AND media <> '' AND media NOT LIKE '%/json' AND media NOT LIKE '%+json' THEN
${refuse(
  "JSON_TYPE(p_data) <> 'STRING'",
  `CONCAT('data is no text, but ', ${shown('o_content')}, ' is not JSON; give a JSON string, or data_base64')`,
)}${refuse(
  "LOWER(o_content) LIKE '%charset=%' AND charset_name NOT IN ('utf-8', 'utf8', 'us-ascii')",
  `CONCAT('data is a text, sent as UTF-8, but ', ${shown('o_content')}, ' says otherwise; give data_base64')`,
)}  END IF;

  IF problem IS NULL AND o_extensions IS NOT NULL AND JSON_TYPE(o_extensions) NOT IN ('OBJECT', 'NULL') THEN
    SET problem = 'extensions is no JSON object; give one of attribute names and values';
  ELSEIF problem IS NULL AND JSON_TYPE(o_extensions) = 'OBJECT' THEN
    SET ext_keys = JSON_KEYS(o_extensions), n = 0;
    WHILE problem IS NULL AND n < JSON_LENGTH(ext_keys) DO
      SET ext_key = JSON_UNQUOTE(JSON_EXTRACT(ext_keys, CONCAT('$[', n, ']')));
      SET ext_value = JSON_EXTRACT(o_extensions, CONCAT('$.', JSON_QUOTE(ext_key)));
      IF JSON_TYPE(ext_value) = 'NULL' THEN
        SET ext_key = NULL;
      ELSEIF ext_key IN ('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema', 'data', 'data_base64') THEN
        SET problem = CONCAT('extensions.', ext_key, ' is no extension but part of every CloudEvent; give it as an argument');
      ELSEIF ext_key NOT REGEXP '^[a-z0-9]+$' THEN
        SET problem = CONCAT('extensions.', LEFT(ext_key, 30), ' is not a valid extension name; use only a-z and 0-9');
      ELSEIF JSON_TYPE(ext_value) NOT IN ('STRING', 'BOOLEAN', 'INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')
          OR (JSON_TYPE(ext_value) IN ('INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')
            AND (CAST(ext_value AS DECIMAL(65, 10)) <> FLOOR(CAST(ext_value AS DECIMAL(65, 10)))
              OR CAST(ext_value AS DECIMAL(65, 10)) NOT BETWEEN -2147483648 AND 2147483647)) THEN
        SET problem = CONCAT('extensions.', LEFT(ext_key, 30), ' must be a string, a boolean or an integer of 32 bits');
      ELSEIF JSON_TYPE(ext_value) = 'STRING' AND JSON_UNQUOTE(ext_value) REGEXP ${FORBIDDEN} THEN
        SET problem = CONCAT('extensions.', LEFT(ext_key, 30), ' contains a control character or a noncharacter');
      ELSEIF ext_key = 'partitionkey' THEN
        IF JSON_TYPE(ext_value) <> 'STRING' OR o_key <> JSON_UNQUOTE(ext_value) THEN
          SET problem = 'extensions.partitionkey differs from partition_key, or is no text; give one of them';
        END IF;
        SET o_key = JSON_UNQUOTE(ext_value);
      ELSE
        SET attributes = CONCAT(COALESCE(CONCAT(attributes, ','), ''), JSON_QUOTE(ext_key), ':', ext_value);
      END IF;
      SET n = n + 1;
    END WHILE;
    SET attributes = CONCAT('{', attributes, '}');
  END IF;
${refuse("o_key = ''", "'partition_key is empty; give a text or leave it out'")}${text('o_key', 'partition_key', 255)}${refuse(
  'CHAR_LENGTH(o_backend) > 100',
  "'backend is too long; at most 100 characters fit'",
)}${refuse(
  "o_delay IS NOT NULL AND NOT (o_delay REGEXP '^[0-9]+([.][0-9]+)?$' AND CAST(o_delay AS DECIMAL(30, 6)) <= 3155760000)",
  `CONCAT('delay is ', ${shown('o_delay')}, '; give seconds, from 0 to a hundred years')`,
)}${refuse(
  'CAST(o_delay AS DECIMAL(30, 6)) > 0 AND o_scheduled IS NOT NULL',
  "'delay stands beside scheduled_at; give one of them'",
)}${refuse(
  "o_scheduled IS NOT NULL AND o_scheduled NOT REGEXP '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z?$'",
  `CONCAT('scheduled_at is ', ${shown('o_scheduled')}, '; give UTC like "2026-01-31T12:00:00Z"')`,
)}${refuse(
  "o_time IS NOT NULL AND o_time NOT REGEXP '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z?$'",
  `CONCAT('event_time is ', ${shown('o_time')}, '; give UTC like "2026-01-31T12:00:00Z"')`,
)}
  IF problem IS NULL THEN
    SET due = CAST(REPLACE(REPLACE(o_scheduled, 'T', ' '), 'Z', '') AS DATETIME(6));
    SET happened = CAST(REPLACE(REPLACE(o_time, 'T', ' '), 'Z', '') AS DATETIME(6));
  END IF;
${refuse(
  "o_scheduled IS NOT NULL AND (due IS NULL OR due < '0001-01-01' OR due >= '9999-01-01')",
  `CONCAT('scheduled_at is ', ${shown('o_scheduled')}, '; give an instant of the years 1 to 9998')`,
)}${refuse(
  'o_time IS NOT NULL AND happened IS NULL',
  `CONCAT('event_time is ', ${shown('o_time')}, ', which is no instant')`,
)}${refuse(
  "o_retries IS NOT NULL AND NOT (o_retries REGEXP '^[0-9]{1,10}$' AND CAST(o_retries AS UNSIGNED) <= 2147483647)",
  `CONCAT('max_retries is ', ${shown('o_retries')}, '; give a whole number, 0 or more')`,
)}${refuse(
  "o_config IS NOT NULL AND JSON_TYPE(o_config) NOT IN ('OBJECT', 'NULL')",
  "'config is no JSON object; give one, or leave it out'",
)}
  IF problem IS NOT NULL THEN
    SET problem = LEFT(CONCAT('the event is refused: ', problem), 128);
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = problem;
  END IF;

  SET row_id = ${UUID_V7};
  INSERT INTO ${t.events.text} (id, event_type, source, subject, data_content_type, data_schema, data, data_binary, event_id,
    event_time, partition_key, extensions, scheduled_at, max_retries, publisher_backend, publisher_config)
  VALUES (row_id, p_type, p_source, COALESCE(o_subject, ''), o_content, COALESCE(o_schema, ''), p_data, FROM_BASE64(o_base64), o_id,
    CONCAT(REPLACE(LEFT(CAST(happened AS CHAR), 23), ' ', 'T'), 'Z'), o_key, attributes,
    COALESCE(due, UTC_TIMESTAMP(6) + INTERVAL ROUND(COALESCE(CAST(o_delay AS DECIMAL(30, 6)), 0) * 1000000) MICROSECOND),
    COALESCE(o_retries, 3), COALESCE(o_backend, ''), CASE WHEN JSON_TYPE(o_config) = 'OBJECT' THEN o_config ELSE '{}' END)
  -- A locking no-op: afterwards our transaction sees the row that has this source, id and backend already.
  ON DUPLICATE KEY UPDATE updated_at = UTC_TIMESTAMP(6);
  IF o_id IS NOT NULL THEN
    SELECT e.id INTO row_id FROM ${t.events.text} AS e
    WHERE e.source = p_source AND e.event_id = o_id AND e.publisher_backend = COALESCE(o_backend, '')
      AND e.identity = UNHEX(SHA2(CONCAT(LENGTH(p_source), ':', p_source, LENGTH(o_id), ':', o_id, COALESCE(o_backend, '')), 256));
  END IF;
  SET @outbox_published = REPLACE(row_id, '-', '');
END`
}
