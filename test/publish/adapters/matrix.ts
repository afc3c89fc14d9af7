import type { DatabaseName, OpenCell } from './cell.ts'

/** The ways to use a library on a database, by name; each opened when its turn comes. */
type Ways = Readonly<Record<string, OpenCell>>

/** Of each adapter (an entry `transactions/...` of the package) on each database: how it is opened, or why it is not there. */
export const MATRIX: Readonly<Record<string, Readonly<Record<DatabaseName, Ways | string>>>> = {
  pg: {
    postgres: { pg: async (place) => (await import('./cells/pg.ts')).postgres(place) },
    pglite: 'pg speaks to servers',
    sqlite: 'pg speaks PostgreSQL only',
    mariadb: 'pg speaks PostgreSQL only',
    mysql: 'pg speaks PostgreSQL only',
  },
  'postgres-js': {
    postgres: { 'postgres.js': async (place) => (await import('./cells/postgres-js.ts')).postgres(place) },
    pglite: 'postgres.js speaks to servers',
    sqlite: 'postgres.js speaks PostgreSQL only',
    mariadb: 'postgres.js speaks PostgreSQL only',
    mysql: 'postgres.js speaks PostgreSQL only',
  },
  pglite: {
    postgres: 'PGlite is a PostgreSQL of its own',
    pglite: { PGlite: async (place) => (await import('./cells/pglite.ts')).pglite(place) },
    sqlite: 'PGlite speaks PostgreSQL only',
    mariadb: 'PGlite speaks PostgreSQL only',
    mysql: 'PGlite speaks PostgreSQL only',
  },
  'node-sqlite': {
    postgres: 'node:sqlite speaks SQLite only',
    pglite: 'node:sqlite speaks SQLite only',
    sqlite: { 'node:sqlite': async (place) => (await import('./cells/node-sqlite.ts')).sqlite(place) },
    mariadb: 'node:sqlite speaks SQLite only',
    mysql: 'node:sqlite speaks SQLite only',
  },
  'better-sqlite3': {
    postgres: 'better-sqlite3 speaks SQLite only',
    pglite: 'better-sqlite3 speaks SQLite only',
    sqlite: { 'better-sqlite3': async (place) => (await import('./cells/better-sqlite3.ts')).sqlite(place) },
    mariadb: 'better-sqlite3 speaks SQLite only',
    mysql: 'better-sqlite3 speaks SQLite only',
  },
  libsql: {
    postgres: 'libSQL speaks SQLite only',
    pglite: 'libSQL speaks SQLite only',
    sqlite: { libSQL: async (place) => (await import('./cells/libsql.ts')).sqlite(place) },
    mariadb: 'libSQL speaks SQLite only',
    mysql: 'libSQL speaks SQLite only',
  },
  mysql2: {
    postgres: 'mysql2 speaks MySQL only',
    pglite: 'mysql2 speaks MySQL only',
    sqlite: 'mysql2 speaks MySQL only',
    mariadb: { mysql2: async (place) => (await import('./cells/mysql2.ts')).mysql(place) },
    mysql: { mysql2: async (place) => (await import('./cells/mysql2.ts')).mysql(place) },
  },
  drizzle: {
    postgres: {
      'Drizzle on pg': async (place) => (await import('./cells/drizzle.ts')).nodePostgres(place),
      'Drizzle on postgres.js': async (place) => (await import('./cells/drizzle.ts')).postgresJs(place),
    },
    pglite: { 'Drizzle on PGlite': async (place) => (await import('./cells/drizzle.ts')).pglite(place) },
    sqlite: {
      'Drizzle on better-sqlite3': async (place) => (await import('./cells/drizzle.ts')).betterSqlite3(place),
      'Drizzle on libSQL': async (place) => (await import('./cells/drizzle.ts')).libsql(place),
    },
    mariadb: { 'Drizzle on mysql2': async (place) => (await import('./cells/drizzle.ts')).mysql2(place) },
    mysql: { 'Drizzle on mysql2': async (place) => (await import('./cells/drizzle.ts')).mysql2(place) },
  },
  prisma: {
    postgres: { 'Prisma on pg': async (place) => (await import('./cells/prisma.ts')).postgres(place) },
    pglite: { 'Prisma on PGlite': async (place) => (await import('./cells/prisma.ts')).pglite(place) },
    sqlite: { 'Prisma on libSQL': async (place) => (await import('./cells/prisma.ts')).sqlite(place) },
    mariadb: { 'Prisma on mariadb': async (place) => (await import('./cells/prisma.ts')).mysql(place) },
    mysql: { 'Prisma on mariadb': async (place) => (await import('./cells/prisma.ts')).mysql(place) },
  },
  kysely: {
    postgres: {
      'Kysely, transaction()': async (place) => (await import('./cells/kysely.ts')).callback('postgres')(place),
      'Kysely, startTransaction()': async (place) => (await import('./cells/kysely.ts')).controlled('postgres')(place),
    },
    pglite: { 'Kysely, transaction()': async (place) => (await import('./cells/kysely.ts')).callback('pglite')(place) },
    sqlite: {
      'Kysely, transaction()': async (place) => (await import('./cells/kysely.ts')).callback('sqlite')(place),
      'Kysely, startTransaction()': async (place) => (await import('./cells/kysely.ts')).controlled('sqlite')(place),
    },
    mariadb: {
      'Kysely, transaction()': async (place) => (await import('./cells/kysely.ts')).callback('mysql')(place),
      'Kysely, startTransaction()': async (place) => (await import('./cells/kysely.ts')).controlled('mysql')(place),
    },
    mysql: {
      'Kysely, transaction()': async (place) => (await import('./cells/kysely.ts')).callback('mysql')(place),
      'Kysely, startTransaction()': async (place) => (await import('./cells/kysely.ts')).controlled('mysql')(place),
    },
  },
  knex: {
    postgres: { 'Knex on pg': async (place) => (await import('./cells/knex.ts')).postgres(place) },
    pglite: 'Knex has no driver for PGlite',
    sqlite: { 'Knex on better-sqlite3': async (place) => (await import('./cells/knex.ts')).sqlite(place) },
    mariadb: { 'Knex on mysql2': async (place) => (await import('./cells/knex.ts')).mysql(place) },
    mysql: { 'Knex on mysql2': async (place) => (await import('./cells/knex.ts')).mysql(place) },
  },
  typeorm: {
    postgres: {
      'TypeORM, EntityManager': async (place) => (await import('./cells/typeorm.ts')).manager('postgres')(place),
      'TypeORM, QueryRunner': async (place) => (await import('./cells/typeorm.ts')).queryRunner('postgres')(place),
    },
    pglite: 'TypeORM has no driver for PGlite',
    sqlite: {
      'TypeORM, EntityManager': async (place) => (await import('./cells/typeorm.ts')).manager('sqlite')(place),
      'TypeORM, QueryRunner': async (place) => (await import('./cells/typeorm.ts')).queryRunner('sqlite')(place),
    },
    mariadb: {
      'TypeORM, EntityManager': async (place) => (await import('./cells/typeorm.ts')).manager('mariadb')(place),
      'TypeORM, QueryRunner': async (place) => (await import('./cells/typeorm.ts')).queryRunner('mariadb')(place),
    },
    mysql: {
      'TypeORM, EntityManager': async (place) => (await import('./cells/typeorm.ts')).manager('mysql')(place),
      'TypeORM, QueryRunner': async (place) => (await import('./cells/typeorm.ts')).queryRunner('mysql')(place),
    },
  },
  'mikro-orm': {
    postgres: { MikroORM: async (place) => (await import('./cells/mikro-orm.ts')).postgres(place) },
    pglite: 'MikroORM has no driver for PGlite',
    sqlite: { MikroORM: async (place) => (await import('./cells/mikro-orm.ts')).sqlite(place) },
    mariadb: { MikroORM: async (place) => (await import('./cells/mikro-orm.ts')).mariadb(place) },
    mysql: { MikroORM: async (place) => (await import('./cells/mikro-orm.ts')).mysql(place) },
  },
  sequelize: {
    postgres: {
      'Sequelize on pg': async (place) => (await import('./cells/sequelize.ts')).postgres(place),
      'Sequelize on pg with retry': async (place) => (await import('./cells/sequelize.ts')).retryingPostgres(place),
    },
    pglite: 'Sequelize has no driver for PGlite',
    sqlite: 'Sequelize needs the package sqlite3, which is compiled when it is installed',
    mariadb: {
      'Sequelize on mysql2': async (place) => (await import('./cells/sequelize.ts')).mysql(place),
      'Sequelize on mysql2 with retry': async (place) => (await import('./cells/sequelize.ts')).retryingMysql(place),
    },
    mysql: {
      'Sequelize on mysql2': async (place) => (await import('./cells/sequelize.ts')).mysql(place),
      'Sequelize on mysql2 with retry': async (place) => (await import('./cells/sequelize.ts')).retryingMysql(place),
    },
  },
}
