// The store of MySQL and MariaDB, and the transaction adapter of its driver.
export { type MysqlTransaction, mysql } from './store/mysql/mysql.ts'
export type { Mysql2Pool, Mysql2PoolConnection } from './store/mysql/mysql2-client.ts'
export { type Mysql2Query, type Mysql2Transaction, mysql2Transaction } from './store/mysql/mysql2-transaction.ts'
export type { MysqlOptions, MysqlPoolOptions, MysqlUrlOptions } from './store/mysql/options.ts'
