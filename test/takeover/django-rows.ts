import { randomUUID } from 'node:crypto'

/** A row as Django's ORM writes it: every column of its own, none of ours. Instants are ISO 8601 with microseconds. */
export interface DjangoRow {
  readonly id: string
  readonly spec_version: string
  readonly event_type: string
  readonly source: string
  readonly subject: string
  readonly data_content_type: string
  readonly data_schema: string
  /** JSON text. */
  readonly data: string | null
  readonly status: string
  readonly created_at: string
  readonly updated_at: string
  readonly scheduled_at: string
  readonly published_at: string | null
  readonly retry_count: number
  readonly max_retries: number
  readonly last_error: string
  readonly publisher_backend: string
  /** JSON text. */
  readonly publisher_config: string
}

export const DJANGO_COLUMNS = [
  'id',
  'spec_version',
  'event_type',
  'source',
  'subject',
  'data_content_type',
  'data_schema',
  'data',
  'status',
  'created_at',
  'updated_at',
  'scheduled_at',
  'published_at',
  'retry_count',
  'max_retries',
  'last_error',
  'publisher_backend',
  'publisher_config',
] as const satisfies readonly (keyof DjangoRow)[]

const LONG_AGO = '2024-03-01T08:30:00.123456Z'
const LATER = '2124-01-01T00:00:00.000000Z'

/** A row with a v4 id and Django's defaults. */
export function djangoRow(columns: Partial<DjangoRow> = {}): DjangoRow {
  return {
    id: randomUUID(),
    spec_version: '1.0',
    event_type: 'order.created',
    source: '/orders',
    subject: '',
    data_content_type: 'application/json',
    data_schema: '',
    data: '{"n": 1}',
    status: 'pending',
    created_at: LONG_AGO,
    updated_at: LONG_AGO,
    scheduled_at: columns.created_at ?? LONG_AGO,
    published_at: null,
    retry_count: 0,
    max_retries: 3,
    last_error: '',
    publisher_backend: '',
    publisher_config: '{}',
    ...columns,
  }
}

/** Rows in every status, those stuck in `processing` by a worker that died among them. */
export const OLD_ROWS: readonly DjangoRow[] = [
  djangoRow({ data: '{"total": 12.50, "name": "Zoë ☕", "tags": []}', created_at: '2024-03-01T08:30:00.000001Z' }),
  djangoRow({ data: null, subject: 'order-7', created_at: '2024-03-01T08:29:00Z' }),
  djangoRow({ scheduled_at: LATER, data: '{"why": "later"}' }),
  djangoRow({ status: 'processing', data: '{"stuck": 1}' }),
  djangoRow({ status: 'processing', data: '[1, "two", null]', retry_count: 1, last_error: 'Redis is loading' }),
  djangoRow({ status: 'processing', scheduled_at: LATER, data: '{"stuck": "for later"}' }),
  djangoRow({ status: 'published', published_at: '2024-03-01T08:31:00.5Z', data: '{"done": true}' }),
  djangoRow({ status: 'failed', retry_count: 3, last_error: 'Connection refused', data: '{"lost": true}' }),
  djangoRow({ status: 'retry', retry_count: 1, last_error: 'Timeout', data: '{"again": 1}' }),
  djangoRow({ status: 'retry', retry_count: 2, last_error: 'Timeout', scheduled_at: LATER, data: '{"again": 2}' }),
  djangoRow({
    event_type: 'invoice.sent',
    source: 'https://shop.example/invoices',
    subject: 'invoice/9',
    data_schema: 'https://shop.example/invoice.json',
    data: '"text"',
    publisher_backend: 'partners',
    publisher_config: '{"priority": "high"}',
    max_retries: 5,
  }),
]

/** Whether a worker must deliver it. */
export function isDue(row: DjangoRow): boolean {
  return ['pending', 'retry', 'processing'].includes(row.status) && row.scheduled_at !== LATER
}
