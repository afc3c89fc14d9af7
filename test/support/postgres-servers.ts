import type { ServerName } from './servers.ts'

/** The PostgreSQL of the machine, and the oldest and the newest that the store is for. */
export const POSTGRES_SERVERS = [
  { name: 'postgres', title: 'PostgreSQL' },
  { name: 'postgres13', title: 'PostgreSQL 13' },
  { name: 'postgres18', title: 'PostgreSQL 18' },
] as const satisfies readonly { readonly name: ServerName; readonly title: string }[]
