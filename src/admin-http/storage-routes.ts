import type { Admin } from '../admin/admin.ts'
import type { StorageAnswer } from './api-storage.ts'
import type { ApiRoute, Call } from './call.ts'

/** The database is asked for sizes once in this many milliseconds, however many look. */
const KEPT = 60_000

export const STORAGE_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'storage',
    action: 'read',
    summary: 'What holds the outbox, and how large its tables are.',
    answer: 'StorageAnswer',
    run: readStorage,
  },
]

async function readStorage({ outbox }: Call): Promise<StorageAnswer> {
  const [status, tables] = await Promise.all([outbox.feed.read(), sizesOf(outbox.admin)])
  const { description, place, totalRows, totalRowsIsEstimate, findings } = status
  return { description, place, totalRows, totalRowsIsEstimate, tables: tables ?? [], findings }
}

type Sizes = ReturnType<Admin['storage']>

interface Kept {
  readonly until: number
  readonly sizes: Sizes
}

const kept = new WeakMap<Admin, Kept>()

function sizesOf(admin: Admin): Sizes {
  const before = kept.get(admin)
  if (before !== undefined && performance.now() < before.until) return before.sizes
  const sizes = admin.storage()
  kept.set(admin, { until: performance.now() + KEPT, sizes })
  // What failed is asked for again.
  sizes.catch(() => kept.delete(admin))
  return sizes
}
