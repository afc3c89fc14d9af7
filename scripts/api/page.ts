import type { Member } from './members.ts'
import type { Entry, Exported } from './read-api.ts'

const HEAD = `# Every name of every entry

Written by \`npm run api\` from the declarations that your compiler reads; a test keeps it true. Durations are in
milliseconds. What may be left out has a \`?\` and says what counts then. For how things work together see the
[guides](../README.md#read-on), for what each error means [errors.md](errors.md).
`

/**
 * What a library gives, in the few members that we use: what each does its own documentation says, and more would be wrong with its
 * next version.
 */
export const OF_LIBRARIES: ReadonlySet<string> = new Set([
  ...['DedicatedClient', 'PgliteDatabase', 'PgliteStoreTransaction', 'PgliteTransaction', 'PgPool', 'PgPoolClient'],
  ...[
    'PgTransaction',
    'PostgresJsTransaction',
    'Mysql2Pool',
    'Mysql2PoolConnection',
    'Mysql2Query',
    'Mysql2Transaction',
  ],
  ...['MysqlTransaction', 'BetterSqlite3Transaction', 'LibsqlTransaction', 'NodeSqliteTransaction', 'IoRedisClient'],
  ...[
    'NodeRedisClient',
    'NodeRedisCluster',
    'KafkaJsProducer',
    'NatsClient',
    'PublishProperties',
    'RabbitMqConfirmChannel',
  ],
  ...[
    'MqttClient',
    'MqttPublishOptions',
    'ReceivedPacket',
    'ServerProperties',
    'DrizzleQuery',
    'DrizzleSqliteTransaction',
  ],
  ...[
    'DrizzleTransaction',
    'PrismaTransaction',
    'KyselyExecutor',
    'KyselyQuery',
    'KyselyTransaction',
    'KnexTransaction',
  ],
  ...[
    'TypeormManager',
    'TypeormQueryRunner',
    'MikroOrmTransaction',
    'SequelizeTransaction',
    'StandardSchema',
    ...['OpenTelemetryApi', 'OtelSpan', 'OtelSpanContext', 'OtelSpanOptions', 'OtelTracer', 'OtelTraceState'],
    ...[
      'OpenTelemetryMetricsApi',
      'OtelCounter',
      'OtelHistogram',
      'OtelInstrumentOptions',
      'OtelMeter',
      'OtelObserver',
    ],
    'SchemaIssue',
  ],
])

/** The page of all entries: an index, and a section for each. */
export function pageOf(entries: readonly Entry[]): string {
  const index = entries.map(({ name, exports }) => {
    const names = exports.map((one) => `[\`${one.name}\`](#${anchorOf(name, one)})`)
    return `| [\`${name}\`](#${anchorOf(name)}) | ${names.join(' ')} |`
  })
  const told = new Map<string, string>()
  return [
    HEAD,
    '| Entry | Names |\n|---|---|',
    `${index.join('\n')}\n`,
    ...entries.map((entry) => sectionOf(entry, told)),
  ].join('\n')
}

function sectionOf({ name, comment, exports }: Entry, told: Map<string, string>): string {
  const parts = exports.map((one) => {
    const heading = `### <a id="${anchorOf(name, one)}"></a>${one.name}`
    const before = told.get(one.origin)
    if (before !== undefined) return `${heading}\n\nThe same as [in \`${before}\`](#${anchorOf(before, one)}).\n`
    told.set(one.origin, name)
    const members = one.members.map(memberOf)
    return [
      heading,
      // What says no more than the heading is left out.
      ...(/^\w+ \w+$/.test(one.signature) ? [] : [`\`\`\`ts nocheck\n${one.signature}\n\`\`\``]),
      ...[escaped(sentenceOf(one, exports))].filter((text) => text !== ''),
      ...(OF_LIBRARIES.has(one.name)
        ? ['Its members are those of the library, whose documentation says what they do.']
        : []),
      ...(members.length > 0 ? [members.join('\n')] : []),
    ]
      .join('\n\n')
      .concat('\n')
  })
  return [`## <a id="${anchorOf(name)}"></a>${name}\n`, ...(comment ? [`${escaped(comment)}\n`] : []), ...parts].join(
    '\n',
  )
}

/** What is said of it, or for the options of a function, whose they are. */
export function sentenceOf({ name, comment }: Exported, exports: readonly Exported[]): string {
  if (comment !== '') return comment
  const takers = exports.filter((one) => new RegExp(`^\\w+(<.*?>)?\\([^)]*\\b${name}\\b`).test(one.signature))
  return takers.length === 0 ? '' : `The options of ${takers.map((one) => `\`${one.name}()\``).join(' and ')}.`
}

function memberOf({ signature, comment }: Member): string {
  return `- \`${signature}\`${comment ? `: ${escaped(comment)}` : ''}`
}

/** Text outside of code that Markdown would take for a tag. */
function escaped(text: string): string {
  return text.replace(/(`[^`]*`)|</g, (_found, code: string | undefined) => code ?? '&lt;')
}

/** `kafka` and `Kafka` may both stand in an entry: anchors are told apart by more than case. */
function anchorOf(entry: string, one?: Exported): string {
  const words = [entry, ...(one ? [one.name, ...(one.isType ? ['type'] : [])] : [])]
  return words
    .join('-')
    .replace(/[^\w]+/g, '-')
    .toLowerCase()
}
