import { BroadcasterError } from '../errors.ts'
import { encodeStructured } from '../event/structured.ts'
import { describeError } from '../foundation/describe-error.ts'
import { memberOf } from '../foundation/inner-errors.ts'
import { settles } from '../foundation/waiting.ts'
import { COLUMN_NAMES, type OutboxEventColumns } from '../record/columns.ts'
import { encodeRow } from '../record/encode-row.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { AdminStore } from '../store/admin-store.ts'
import type { SettledEvent } from '../store/retention-store.ts'
import { ArchiveFolder } from './archive-folder.ts'

/**
 * Keeps events before they are deleted: nothing is deleted unless it resolves. What it is given may come again, with the same
 * `id`, when the process dies before the delete, or when an operator moved the event meanwhile.
 */
export type ArchiveEvents = (events: readonly OutboxEvent[]) => Promise<void>

/** Rows read at once: the data of each may be large. */
const AT_ONCE = 100
/** How long keeping a batch may take, in ms: what hangs is tried again. */
const LONGEST = 600_000

/** Where retention puts what it is about to delete. */
export class Archive {
  readonly #rows: Pick<AdminStore, 'list'>
  /** As an error says it. */
  readonly #place: string
  readonly #keep: (rows: AsyncIterable<readonly OutboxEventColumns[]>) => Promise<void>

  constructor(rows: Pick<AdminStore, 'list'>, to: string | ArchiveEvents) {
    this.#rows = rows
    this.#place = typeof to === 'string' ? ` in ${to}` : ''
    if (typeof to === 'string') {
      const folder = new ArchiveFolder(to)
      this.#keep = (all) => folder.write(linesOf(all))
    } else {
      this.#keep = async (all) => {
        for await (const rows of all) await to(rows.map((row) => new OutboxEvent(row)))
      }
    }
  }

  /** Resolves when they are kept, as they are now. `from`: what lists them. Throws `ARCHIVE_FAILED`. */
  async keep(events: readonly SettledEvent[], from: Pick<AdminStore, 'list'> = this.#rows): Promise<void> {
    let failure: unknown
    const reading = this.#read(events, from, (error) => {
      failure = error
    })
    try {
      const keeping = this.#keep(reading)
      if (!(await settles(keeping, { timeout: LONGEST })))
        throw new Error(`it did not end within ${LONGEST / 60_000} minutes`)
      await keeping
    } catch (cause) {
      // The database's own error is no failure of the archive.
      if (failure !== undefined && cause === failure) throw cause
      const code = memberOf(cause, 'code')
      // Without names of files, which differ each time: the same trouble is told once.
      const said = typeof code === 'string' && code !== '' ? code : describeError(cause)
      const message = `events could not be archived${this.#place}, so they were not deleted: ${said}`
      throw new BroadcasterError('ARCHIVE_FAILED', message, { cause })
    }
  }

  async *#read(
    events: readonly SettledEvent[],
    from: Pick<AdminStore, 'list'>,
    onError: (error: unknown) => void,
  ): AsyncGenerator<readonly OutboxEventColumns[]> {
    for (let at = 0; at < events.length; at += AT_ONCE) {
      const some = new Map(events.slice(at, at + AT_ONCE).map(({ id, status }) => [id, status]))
      const where = [{ column: 'id', op: 'in', values: [...some.keys()] }] as const
      const query = { where, order: [], limit: null, offset: 0, columns: COLUMN_NAMES }
      const rows = await from.list(query).catch((error: unknown) => {
        onError(error)
        throw error
      })
      // What was moved meanwhile is not deleted.
      yield (rows as readonly OutboxEventColumns[]).filter(({ id, status }) => some.get(id) === status)
    }
  }
}

async function* linesOf(all: AsyncIterable<readonly OutboxEventColumns[]>): AsyncGenerator<string> {
  for await (const rows of all) yield rows.map((row) => `${archivedLine(row)}\n`).join('')
}

/** What an archive has of a row, beside its event, which is copied to the letter. */
const STATE = [
  'id',
  'status',
  'publisherBackend',
  'publisherConfig',
  'seq',
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'retryCount',
  'maxRetries',
  'lastError',
  'attempts',
  'generation',
] as const satisfies readonly (keyof OutboxEventColumns)[]

/**
 * One line of an archive: the state of the row, and under `event` its CloudEvent in JSON. Where plain SQL wrote what is none, `event` is
 * null, and `row` has the columns: one such row must not keep all others from being deleted.
 */
export function archivedLine(row: OutboxEventColumns): string {
  const state = JSON.stringify(Object.fromEntries(STATE.map((name) => [name, row[name]]))).slice(0, -1)
  try {
    // JSON may be stored with line feeds between its tokens; inside its strings they are escaped.
    const event = encodeStructured(encodeRow(row)).replace(/[\r\n]+/g, ' ')
    JSON.parse(event)
    return `${state},"event":${event}}`
  } catch {
    const bytes = row.dataBinary === null ? null : Buffer.from(row.dataBinary).toString('base64')
    return `${state},"event":null,"row":${JSON.stringify({ ...row, dataBinary: bytes })}}`
  }
}
