import type { Dialect } from '../../store/statement.ts'

/** A store that a configuration can be written with. */
interface KnownDatabase {
  /** Packages that show that the project uses it. */
  readonly packages: readonly string[]
  /** The client that the store itself needs. */
  readonly client?: string
  readonly dialect: Dialect
  readonly imports: readonly string[]
  /** The expression of the store; `required(name)` reads a variable that must be set. */
  readonly text: string
  readonly comment?: string
  /** For people. */
  readonly where: string
}

const POSTGRES = `import { postgres } from 'ts-broadcaster/postgres'`
const MYSQL = `import { mysql } from 'ts-broadcaster/mysql'`
const OWN_SCHEMA = 'Its own schema: tools that drop tables they do not know do not look there.'

export type DatabaseName = 'postgres' | 'pglite' | 'mysql' | 'sqlite'

/** The databases, in the order in which they are looked for. */
export const DATABASES: Readonly<Record<DatabaseName, KnownDatabase>> = {
  postgres: {
    packages: ['pg', '@prisma/adapter-pg', 'postgres', '@mikro-orm/postgresql'],
    client: 'pg',
    dialect: 'postgres',
    imports: [POSTGRES],
    text: `postgres({ url: required('DATABASE_URL'), schema: 'outbox' })`,
    comment: OWN_SCHEMA,
    where: 'PostgreSQL',
  },
  pglite: {
    packages: ['@electric-sql/pglite', 'pglite-prisma-adapter'],
    client: '@electric-sql/pglite',
    dialect: 'postgres',
    imports: [`import { PGlite } from '@electric-sql/pglite'`, POSTGRES],
    text: `postgres({ pglite: new PGlite('./pgdata'), schema: 'outbox' })`,
    comment: OWN_SCHEMA,
    where: 'PGlite',
  },
  mysql: {
    packages: ['mysql2', '@prisma/adapter-mariadb', '@mikro-orm/mysql', '@mikro-orm/mariadb'],
    client: 'mysql2',
    dialect: 'mysql',
    imports: [MYSQL],
    text: `mysql({ url: required('DATABASE_URL') })`,
    where: 'MySQL or MariaDB',
  },
  sqlite: {
    packages: ['@prisma/adapter-better-sqlite3', '@prisma/adapter-libsql', 'better-sqlite3', '@libsql/client'],
    dialect: 'sqlite',
    imports: [`import { sqlite } from 'ts-broadcaster/sqlite'`],
    text: `sqlite({ path: process.env['DATABASE_PATH'] ?? 'outbox.db' })`,
    where: 'a SQLite file',
  },
}

/** A broker that a configuration can be written with. */
interface KnownBroker {
  readonly packages: readonly string[]
  readonly imports: readonly string[]
  readonly text: string
  /** For people. */
  readonly where: string
}

export type BrokerName = 'redis' | 'kafka' | 'rabbitmq' | 'nats' | 'mqtt'

/** The brokers, in the order in which they are looked for. */
export const BROKERS: Readonly<Record<BrokerName, KnownBroker>> = {
  redis: {
    packages: ['redis', '@redis/client', 'ioredis'],
    imports: [`import { redisStreams } from 'ts-broadcaster/redis-streams'`],
    text: `redisStreams({ url: required('REDIS_URL'), stream: 'events' })`,
    where: 'Redis Streams',
  },
  kafka: {
    packages: ['@platformatic/kafka'],
    imports: [`import { kafka } from 'ts-broadcaster/kafka'`],
    text: `kafka({ bootstrapServers: required('KAFKA_SERVERS'), topic: 'events' })`,
    where: 'Kafka',
  },
  rabbitmq: {
    packages: ['amqplib'],
    imports: [`import { rabbitmq } from 'ts-broadcaster/rabbitmq'`],
    text: `rabbitmq({ url: required('AMQP_URL'), create: { exchange: { name: 'events', type: 'topic' } } })`,
    where: 'RabbitMQ',
  },
  nats: {
    packages: ['@nats-io/jetstream', '@nats-io/transport-node'],
    imports: [`import { natsJetStream } from 'ts-broadcaster/nats'`],
    text: `natsJetStream({ url: required('NATS_URL'), stream: { name: 'EVENTS', create: true } })`,
    where: 'NATS JetStream',
  },
  mqtt: {
    packages: ['mqtt'],
    imports: [`import { mqtt } from 'ts-broadcaster/mqtt'`],
    text: `mqtt({ url: required('MQTT_URL'), topic: 'events/{type}' })`,
    where: 'MQTT',
  },
}

/** A library whose transactions publish can use instead of those of the store's own client. */
interface KnownLibrary {
  readonly packages: readonly string[]
  /** The entry of ts-broadcaster that adapts it, and what that exports. */
  readonly entry: string
  readonly adapter: string
  /** The only dialect of a driver; undefined = an ORM, which is told the dialect. */
  readonly only?: Dialect
  /** For people. */
  readonly where: string
}

export type LibraryName =
  | 'prisma'
  | 'drizzle'
  | 'typeorm'
  | 'mikroOrm'
  | 'sequelize'
  | 'kysely'
  | 'knex'
  | 'postgresJs'
  | 'libsql'
  | 'betterSqlite3'

/** The libraries, in the order in which they are looked for: an ORM before the driver that it brings. */
export const LIBRARIES: Readonly<Record<LibraryName, KnownLibrary>> = {
  prisma: { packages: ['@prisma/client', 'prisma'], entry: 'prisma', adapter: 'prismaTransaction', where: 'Prisma' },
  drizzle: { packages: ['drizzle-orm'], entry: 'drizzle', adapter: 'drizzleTransaction', where: 'Drizzle' },
  typeorm: { packages: ['typeorm'], entry: 'typeorm', adapter: 'typeormTransaction', where: 'TypeORM' },
  mikroOrm: { packages: ['@mikro-orm/core'], entry: 'mikro-orm', adapter: 'mikroOrmTransaction', where: 'MikroORM' },
  sequelize: { packages: ['sequelize'], entry: 'sequelize', adapter: 'sequelizeTransaction', where: 'Sequelize' },
  kysely: { packages: ['kysely'], entry: 'kysely', adapter: 'kyselyTransaction', where: 'Kysely' },
  knex: { packages: ['knex'], entry: 'knex', adapter: 'knexTransaction', where: 'Knex' },
  postgresJs: {
    packages: ['postgres'],
    entry: 'postgres',
    adapter: 'postgresJsTransaction',
    only: 'postgres',
    where: 'postgres.js',
  },
  libsql: {
    packages: ['@libsql/client'],
    entry: 'sqlite',
    adapter: 'libsqlTransaction',
    only: 'sqlite',
    where: 'libSQL',
  },
  betterSqlite3: {
    packages: ['better-sqlite3'],
    entry: 'sqlite',
    adapter: 'betterSqlite3Transaction',
    only: 'sqlite',
    where: 'better-sqlite3',
  },
}
