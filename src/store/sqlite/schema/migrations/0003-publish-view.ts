import type { Tables } from '../../tables.ts'
import { nowPlus } from '../../values.ts'
import { sha256Prefix } from './0003-sha256.ts'

/** What is wrong with `NEW`, and when: a condition, and what is said then. Part of a released step. */
type Check = readonly [when: string, message: string]

/** Control characters and noncharacters of the first plane, for GLOB. */
const FORBIDDEN = `'*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || char(64976) || '-' || char(65007)
    || char(65534) || char(65535) || ']*'`
const HEX = '0-9A-Fa-f'
const TOKEN = "!#$%&''*+.^_`|~0-9A-Za-z-"

/** A text attribute: its characters and its width. */
function text(name: string, width: number): readonly Check[] {
  const value = `NEW.${name}`
  return [
    [`${value} GLOB ${FORBIDDEN}`, `${name} contains a control character or a noncharacter; take it out`],
    [`length(${value}) > ${width}`, `${name} is too long; at most ${width} characters fit`],
  ]
}

/** Before the first colon, when that comes before every / ? and #; otherwise NULL. */
function scheme(value: string): string {
  const before = `substr(${value}, 1, instr(${value}, ':') - 1)`
  return `CASE WHEN instr(${value}, ':') > 0 AND ${before} NOT GLOB '*[/?#]*' THEN ${before} END`
}

/** A URI-reference by its characters, escapes, scheme and fragment; SQLite has no regular expressions for the rest. */
function uri(value: string): string {
  return `(${value} GLOB '*[^]A-Za-z0-9._~:/?#[@!$&''()*+,;=%-]*'
    OR ${value} GLOB '*%[^${HEX}]*' OR ${value} GLOB '*%?[^${HEX}]*' OR ${value} GLOB '*%' OR ${value} GLOB '*%?'
    OR ${value} GLOB '*#*#*'
    OR (${value} GLOB '*[][]*' AND NOT (${value} GLOB '//[[]*' OR ${value} GLOB '*://[[]*' OR ${value} GLOB '*@[[]*'))
    OR ifnull(${scheme(value)} NOT GLOB '[A-Za-z]*' OR ${scheme(value)} GLOB '*[^A-Za-z0-9+.-]*', 0))`
}

const CONTENT = `ifnull(NEW.data_content_type,
    CASE WHEN NEW.data_binary IS NULL THEN 'application/json' ELSE 'application/octet-stream' END)`
const MEDIA = `trim(substr(${CONTENT} || ';', 1, instr(${CONTENT} || ';', ';') - 1))`
const KEY = `coalesce(NEW.partition_key, CASE WHEN json_valid(NEW.extensions) THEN json_extract(NEW.extensions, '$.partitionkey') END)`
const DATA = `CASE WHEN json_valid(NEW.data) AND json_type(NEW.data) <> 'null' THEN NEW.data END`
const IS_JSON = `(lower(${MEDIA}) = '' OR lower(${MEDIA}) GLOB '*/json' OR lower(${MEDIA}) GLOB '*+json')`
const DUE = `coalesce(strftime('%Y-%m-%d %H:%M:%f000', NEW.scheduled_at), ${nowPlus('ifnull(NEW.delay, 0)')})`

const EXTENSION_WRONG = `EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(NEW.extensions) THEN NEW.extensions ELSE '{}' END) AS x
    WHERE x.type <> 'null' AND (x.key = '' OR x.key GLOB '*[^a-z0-9]*'
      OR x.key IN ('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema', 'data')
      OR x.type IN ('object', 'array')
      OR (x.type = 'text' AND x.value GLOB ${FORBIDDEN})
      OR (x.type IN ('integer', 'real') AND NOT (x.value = CAST(x.value AS integer) AND x.value BETWEEN -2147483648 AND 2147483647))))`

const CHECKS: readonly Check[] = [
  ["ifnull(NEW.type, '') = ''", 'type is missing; give a text'],
  ...text('type', 255),
  ["ifnull(NEW.source, '') = ''", 'source is missing; give a URI-reference such as "/orders"'],
  ...text('source', 255),
  [uri('NEW.source'), 'source is not a URI-reference (RFC 3986); write it like "/orders", percent-encoded'],
  ...text('subject', 255),
  ["NEW.id = ''", 'id is empty; give a text or leave it out'],
  ...text('id', 255),
  ...text('data_content_type', 100),
  [
    `${CONTENT} <> '' AND (${MEDIA} NOT GLOB '?*/?*' OR ${MEDIA} GLOB '*/*/*' OR ${MEDIA} GLOB '*[^/${TOKEN}]*')`,
    'data_content_type is not a media type (RFC 2046); write it like "application/json"',
  ],
  ...text('data_schema', 200),
  [
    `NEW.data_schema <> '' AND (${scheme('NEW.data_schema')} IS NULL OR ${uri('NEW.data_schema')})`,
    'data_schema is not an absolute URI; write it like "https://example.com/order.json"',
  ],
  ['NEW.data IS NOT NULL AND NOT json_valid(NEW.data)', 'data is not JSON; give JSON text, or data_binary'],
  ['NEW.data IS NOT NULL AND NEW.data_binary IS NOT NULL', 'data stands beside data_binary; give one of them'],
  [
    `${DATA} IS NOT NULL AND NOT ${IS_JSON} AND json_type(NEW.data) <> 'text'`,
    'data is no text, but data_content_type is not JSON; give a JSON string, or data_binary',
  ],
  [
    `${DATA} IS NOT NULL AND NOT ${IS_JSON} AND lower(${CONTENT}) GLOB '*charset=*'
      AND NOT (replace(lower(${CONTENT}), '"', '') GLOB '*charset=utf-8*' OR replace(lower(${CONTENT}), '"', '') GLOB '*charset=utf8*'
        OR replace(lower(${CONTENT}), '"', '') GLOB '*charset=us-ascii*')`,
    'data is a text, which is sent as UTF-8, but data_content_type says otherwise; give data_binary',
  ],
  [
    "NEW.extensions IS NOT NULL AND (NOT json_valid(NEW.extensions) OR json_type(NEW.extensions) NOT IN ('object', 'null'))",
    'extensions is no JSON object; give one of attribute names and values',
  ],
  [
    EXTENSION_WRONG,
    'extensions has a name or a value that CloudEvents does not allow; use names of a-z and 0-9 that are not attributes, and a string, a boolean or an integer of 32 bits',
  ],
  [
    `NEW.partition_key <> CASE WHEN json_valid(NEW.extensions) THEN json_extract(NEW.extensions, '$.partitionkey') END
      OR typeof(CASE WHEN json_valid(NEW.extensions) THEN json_extract(NEW.extensions, '$.partitionkey') END) NOT IN ('text', 'null')`,
    'extensions.partitionkey differs from partition_key, or is no text; give one of them',
  ],
  [`${KEY} = ''`, 'partition_key is empty; give a text or leave it out'],
  [`length(${KEY}) > 255`, 'partition_key is too long; at most 255 characters fit'],
  [`${KEY} GLOB ${FORBIDDEN}`, 'partition_key contains a control character or a noncharacter; take it out'],
  ['length(NEW.backend) > 100', 'backend is too long; at most 100 characters fit'],
  [
    "NEW.delay IS NOT NULL AND NOT (typeof(NEW.delay) IN ('integer', 'real') AND NEW.delay BETWEEN 0 AND 3155760000)",
    'delay is not a number of seconds from 0 to a hundred years',
  ],
  ['NEW.delay > 0 AND NEW.scheduled_at IS NOT NULL', 'delay stands beside scheduled_at; give one of them'],
  [
    "NEW.scheduled_at IS NOT NULL AND ifnull(strftime('%Y', NEW.scheduled_at), '9999') NOT BETWEEN '0001' AND '9998'",
    'scheduled_at is not an instant of the years 1 to 9998; write it like "2026-01-31T12:00:00Z"',
  ],
  [
    "NEW.event_time IS NOT NULL AND strftime('%Y', NEW.event_time) IS NULL",
    'event_time is not an instant; write it like "2026-01-31T12:00:00Z"',
  ],
  [
    `NEW.max_retries IS NOT NULL AND NOT (typeof(NEW.max_retries) IN ('integer', 'real') AND NEW.max_retries BETWEEN 0 AND 2147483647
      AND NEW.max_retries = CAST(NEW.max_retries AS integer))`,
    'max_retries is not a whole number, 0 or more',
  ],
  [
    "NEW.config IS NOT NULL AND NOT ifnull(json_valid(NEW.config) AND json_type(NEW.config) = 'object', 0)",
    'config is no JSON object; give one, or leave it out',
  ],
]

const ID = `lower(printf('%012x', strftime('%s', 'now') * 1000 + CAST(substr(strftime('%f', 'now'), 4) AS integer)) || '7'
    || substr(hex(randomblob(2)), 2) || substr('89ab', (random() & 3) + 1, 1) || substr(hex(randomblob(8)), 2))`

/**
 * A view to insert into: one row is one event, checked as `publish` does. SQLite has no procedures, and RAISE takes no
 * expression before 3.47, so that a message names the field and the cure, but not the value.
 */
export function publishView(t: Tables): string {
  const raises = CHECKS.map(
    ([when, message]) => `  SELECT RAISE(ABORT, 'the event is refused: ${message}') WHERE ${when};\n`,
  )
  return `
CREATE VIEW ${t.publish} (type, source, data, subject, partition_key, backend, delay, scheduled_at, id, event_time,
  data_content_type, data_schema, extensions, max_retries, config, data_binary) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;
CREATE TRIGGER ${t.trigger('publish')} INSTEAD OF INSERT ON ${t.publish}
BEGIN
${raises.join('')}  INSERT INTO ${t.events} (id, lane, partition_key, event_id, event_type, source, subject, data_content_type, data_schema, data,
    data_binary, extensions, event_time, scheduled_at, max_retries, publisher_backend, publisher_config)
  SELECT ${ID},
    CASE WHEN ${KEY} IS NULL THEN random() & 9223372036854775807 ELSE ${sha256Prefix(KEY)} END % (SELECT lanes FROM ${t.settings}),
    ${KEY}, NEW.id, NEW.type, NEW.source, ifnull(NEW.subject, ''), ${CONTENT}, ifnull(NEW.data_schema, ''), ${DATA},
    CAST(NEW.data_binary AS BLOB),
    (SELECT json_group_object(x.key, CASE x.type WHEN 'true' THEN json('true') WHEN 'false' THEN json('false') ELSE x.value END)
      FROM json_each(NEW.extensions) AS x WHERE x.key <> 'partitionkey' AND x.type <> 'null' HAVING count(*) > 0),
    strftime('%Y-%m-%dT%H:%M:%fZ', NEW.event_time), ${DUE}, ifnull(NEW.max_retries, 3), ifnull(NEW.backend, ''), ifnull(NEW.config, '{}')
  -- One writer at a time: nobody can publish the same id between this look and the insert.
  WHERE NOT EXISTS (SELECT 1 FROM ${t.events} AS e
    WHERE e.source = NEW.source AND e.event_id = NEW.id AND e.publisher_backend = ifnull(NEW.backend, ''));
END;
`
}
