import type { ServerName } from './servers.ts'

/** The two servers that the MySQL store is for: what a test says of one it says of both. */
export const MYSQL_SERVERS = [
  { name: 'mariadb', title: 'MariaDB' },
  { name: 'mysql', title: 'MySQL' },
] as const satisfies readonly { readonly name: ServerName; readonly title: string }[]
