import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Client, type CustomTypesConfig } from 'pg'
import { ours } from './ours.ts'
import { type Contender, STREAM_LENGTH } from './task.ts'

/** Events of one read, one write to Redis and one UPDATE. */
const BATCH = 500
/** Batches that may be read and not settled yet. */
const DEPTH = 4

interface Row {
  readonly id: string
  readonly seq: string
  readonly event_type: string
  readonly source: string
  readonly created: string
  readonly partition_key: string
  readonly data: string
}

const TEXT = { getTypeParser: () => (text: string) => text } as CustomTypesConfig

/**
 * The least that a relay must do: own one lane, read by `seq` from one index, write XADDs to a socket, record a batch by one UPDATE
 * of the same form as ours. No retries, no order through failures, no breaker, no due times: the yardstick, and no outbox.
 */
export const bareLoop: Contender = {
  async fill(pool, task) {
    const { schema } = task
    await ours().fill(pool, task)
    const { rows } = await pool.query<{ options: string[] | null }>(
      `SELECT reloptions AS options FROM pg_class WHERE oid = '${schema}.outbox_events'::regclass`,
    )
    const like = rows[0]?.options ?? []
    await pool.query(`
CREATE TABLE ${schema}.bare (LIKE ${schema}.outbox_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
  ${like.length === 0 ? '' : `WITH (${like.join(', ')})`};
INSERT INTO ${schema}.bare SELECT * FROM ${schema}.outbox_events ORDER BY seq;
ALTER TABLE ${schema}.bare ADD PRIMARY KEY (id);
CREATE INDEX ON ${schema}.bare (seq) WHERE available_at IS NULL AND status IN ('pending', 'retry', 'processing');
CREATE TABLE ${schema}.bare_lane (owner int, fence int NOT NULL, lease_until timestamptz NOT NULL);
INSERT INTO ${schema}.bare_lane VALUES (NULL, 0, now())`)
  },

  async open({ url, schema, redisUrl, stream, events }, delivered) {
    const [reading, settling] = [new Client({ connectionString: url }), new Client({ connectionString: url })]
    await Promise.all([reading.connect(), settling.connect()])
    const { hostname, port } = new URL(redisUrl)
    const socket = connect({ host: hostname, port: Number(port || 6379), noDelay: true })
    await once(socket, 'connect')
    const redis = new Resp(socket)

    const read = async (after: string): Promise<readonly Row[]> => {
      const { rows } = await reading.query<Row>({
        name: 'read',
        text: `SELECT id, seq, event_type, source, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created,
            partition_key, data, status, retry_count, generation FROM ${schema}.bare
          WHERE seq > $1 AND available_at IS NULL AND status IN ('pending', 'retry', 'processing')
            AND scheduled_at <= statement_timestamp()
          ORDER BY seq LIMIT ${BATCH}`,
        values: [after],
        types: TEXT,
      })
      return rows
    }
    const settle = async (batch: readonly Row[]): Promise<void> => {
      await settling.query({
        name: 'settle',
        text: `UPDATE ${schema}.bare SET status = 'published', published_at = statement_timestamp(),
            updated_at = statement_timestamp(), available_at = NULL
          WHERE id = ANY ($1::uuid[]) AND generation = 0 AND status NOT IN ('published', 'cancelled')`,
        values: [batch.map(({ id }) => id)],
      })
      delivered(batch.length)
    }
    const own = async (): Promise<void> => {
      await settling.query(
        `UPDATE ${schema}.bare_lane SET owner = $1, fence = 1, lease_until = statement_timestamp() + interval '10 s'
         WHERE owner IS NULL OR owner = $1`,
        [process.pid],
      )
    }

    const drain = async (): Promise<void> => {
      await own()
      const renewing = setInterval(() => void own(), 1_000)
      let after = '0'
      let settled = Promise.resolve()
      const open: Promise<void>[] = []
      for (let left = events; left > 0; ) {
        const batch = await read(after)
        const last = batch.at(-1)
        if (last === undefined) throw new Error(`${left} events are missing`)
        after = last.seq
        left -= batch.length
        const sent = redis.send(encode(stream, batch), batch.length)
        const earlier = settled
        settled = sent.then(() => earlier).then(() => settle(batch))
        open.push(settled)
        if (open.length >= DEPTH) await open.shift()
      }
      await settled
      clearInterval(renewing)
    }
    return {
      start: async () => void drain().catch((error) => process.nextTick(() => Promise.reject(error))),
      async close() {
        socket.destroy()
        await Promise.all([reading.end(), settling.end()])
      },
    }
  },
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** XADDs of the entries that ours are; the last one trims. */
function encode(stream: string, batch: readonly Row[]): string {
  const start = bulk('XADD') + bulk(stream)
  const trim = bulk('MAXLEN') + bulk('~') + bulk(String(STREAM_LENGTH))
  const [id, type, source, time, event] = ['event_id', 'event_type', 'source', 'timestamp', 'cloud_event'].map(bulk)
  let text = ''
  for (const [n, row] of batch.entries()) {
    const isLast = n === batch.length - 1
    const cloudEvent = `{"specversion":"1.0","id":"${row.id}","source":${JSON.stringify(row.source)},"type":${JSON.stringify(row.event_type)},"time":"${row.created}","datacontenttype":"application/json","partitionkey":${JSON.stringify(row.partition_key)},"data":${row.data}}`
    text += `*${isLast ? 16 : 13}\r\n${start}${isLast ? trim : ''}${bulk('*')}${id}${bulk(row.id)}${type}${bulk(row.event_type)}${source}${bulk(row.source)}${time}${bulk(row.created)}${event}${bulk(cloudEvent)}`
  }
  return text
}

/** Counts replies: of an XADD two lines each. */
class Resp {
  readonly #socket: Socket
  readonly #waiting: { lines: number; readonly resolve: () => void }[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
  }

  send(commands: string, count: number): Promise<void> {
    this.#socket.write(commands)
    return new Promise((resolve) => this.#waiting.push({ lines: 2 * count, resolve }))
  }

  #read(chunk: Buffer): void {
    if (chunk[0] === 45) throw new Error(chunk.toString())
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) {
      const [first] = this.#waiting
      if (first === undefined) throw new Error(`unexpected reply: ${chunk.toString()}`)
      if (--first.lines > 0) continue
      this.#waiting.shift()
      first.resolve()
    }
  }
}
