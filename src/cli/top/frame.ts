import type { BackendStatus, OutboxStatus, WorkerStatus } from '../../admin/status.ts'
import { countOf, formatDuration } from '../../foundation/for-people.ts'
import type { BlockedKey, Count } from '../../store/outbox-look.ts'
import { onOneLine, shorten } from '../format.ts'
import { openFor, placeOf } from '../open-breakers.ts'
import { type Column, fitTable } from '../table.ts'
import type { Colour, Line } from '../terminal.ts'
import { type Lately, perSecond, timeText } from '../times.ts'
import type { Rate } from './rates.ts'

/** What is shown. */
export interface Watched {
  readonly status: OutboxStatus
  readonly rates: ReadonlyMap<string, Rate>
  /** What workers wrote down of the last minutes. Default: nothing. */
  readonly lately?: Lately | undefined
  /** Why the numbers are old; undefined = they are not. */
  readonly trouble?: { readonly message: string; readonly since: number } | undefined
}

/** The window of `broadcaster top`: lines that fit `columns`, and at most `rows` of them. Pure. */
export function frameOf(
  { status, rates, lately = new Map(), trouble }: Watched,
  columns: number,
  rows = Number.POSITIVE_INFINITY,
): readonly Line[] {
  const head = [titleOf(status, columns), ...(trouble === undefined ? [verdictOf(status)] : [troubleOf(trouble)])]
  const sections = [
    backendSection(status.backends, rates, lately, columns),
    troubleSection(status),
    keySection(status.blockedKeys, columns),
    workerSection(status.workers, columns),
  ].filter((lines) => lines.length > 0)
  const lines = [...head, ...fitSections(sections, rows - head.length).flatMap((section) => [{ text: '' }, ...section])]
  return lines.slice(0, rows).map(({ text, colour }) => ({ text: cutTo(text, columns), colour }))
}

/** The longest gives way until all fit; each keeps its title. A line between two belongs to the second. Pure. */
function fitSections(sections: readonly (readonly Line[])[], rows: number): readonly (readonly Line[])[] {
  const lengths = sections.map((lines) => lines.length)
  const total = (): number => lengths.reduce((sum, length) => sum + length + 1, 0)
  for (let longest = Math.max(...lengths); total() > rows && longest > 2; longest = Math.max(...lengths)) {
    lengths[lengths.indexOf(longest)] = longest - 1
  }
  return sections.map((lines, n) => {
    const length = lengths[n] ?? 0
    if (length === lines.length) return lines
    return [...lines.slice(0, length - 1), { text: `… ${lines.length - length + 1} more`, colour: 'dim' }]
  })
}

function titleOf({ outbox, description, place, at }: OutboxStatus, columns: number): Line {
  const time = at === null ? '' : `${at.toISOString().slice(11, 19)} UTC`
  const name = onOneLine(`${outbox}: ${description}${place === null ? '' : ` at ${place}`}`)
  const room = columns - time.length - 2
  return { text: `${shorten(name, room).padEnd(room)}  ${time}`, colour: 'bold' }
}

/** The most important thing in one line. */
function verdictOf({ backends, workers, totalRows, totalRowsIsEstimate }: OutboxStatus): Line {
  const total = (of: (one: BackendStatus) => Count): Count => ({
    count: backends.reduce((sum, one) => sum + of(one).count, 0),
    exact: backends.every((one) => of(one).exact),
  })
  const [stuck, failed] = [total((one) => one.stuck), total((one) => one.failed)]
  const numbers = [
    `${counted(total((one) => one.waiting))} waiting`,
    `${counted(stuck)} stuck`,
    `${counted(failed)} failed`,
    workers.length === 0 ? 'no worker is running' : countOf(workers.length, 'worker'),
    `${totalRowsIsEstimate ? 'about ' : ''}${countOf(totalRows, 'row')}`,
  ]
  const isRed = stuck.count > 0 || workers.length === 0
  return { text: numbers.join(' · '), colour: isRed ? 'red' : failed.count > 0 ? 'yellow' : 'green' }
}

function troubleOf({ message, since }: NonNullable<Watched['trouble']>): Line {
  return { text: `These numbers are ${formatDuration(since)} old: ${onOneLine(message)}`, colour: 'red' }
}

const counted = ({ count, exact }: Count): string => `${count.toLocaleString('en')}${exact ? '' : '+'}`

function backendSection(
  backends: readonly BackendStatus[],
  rates: ReadonlyMap<string, Rate>,
  lately: Lately,
  columns: number,
): readonly Line[] {
  if (backends.length === 0) return [{ text: 'No backend is configured, and no event names one.' }]
  const come = ({ backend }: BackendStatus): string => {
    const rate = rates.get(backend)
    return rate === undefined ? '' : `${perSecond(rate.come)}${rate.more ? '+' : ''}`
  }
  const gone = ({ backend }: BackendStatus): string => {
    const rate = rates.get(backend)?.gone
    return rate == null ? '' : perSecond(rate)
  }
  const table: readonly Column<BackendStatus>[] = [
    { title: 'BACKEND', cell: ({ backend }) => (backend === '' ? '(default)' : backend), least: 10 },
    { title: 'IN/S', cell: come, expendable: 1 },
    { title: 'OUT/S', cell: gone, expendable: 1 },
    { title: 'WAITING', cell: ({ waiting }) => counted(waiting) },
    { title: 'STUCK', cell: ({ stuck }) => counted(stuck) },
    { title: 'LAG', cell: ({ lag }) => (lag === null ? '' : formatDuration(lag)) },
    { title: 'P50', cell: ({ backend }) => timeText(lately.get(backend)?.times?.p50), expendable: 6 },
    { title: 'P95', cell: ({ backend }) => timeText(lately.get(backend)?.times?.p95), expendable: 7 },
    { title: 'P99', cell: ({ backend }) => timeText(lately.get(backend)?.times?.p99), expendable: 5 },
    { title: 'RETRYING', cell: ({ retrying }) => counted(retrying), expendable: 3 },
    { title: 'FAILED', cell: ({ failed }) => counted(failed) },
    { title: 'SCHEDULED', cell: ({ scheduled }) => counted(scheduled), expendable: 4 },
    { title: 'KEYS BLOCKED', cell: ({ blockedKeys }) => counted(blockedKeys), expendable: 2 },
  ]
  return tableOf(table, backends, columns, (one) =>
    one.paused !== null || one.openBreakers.length > 0 || one.stuck.count > 0
      ? 'red'
      : one.failed.count > 0
        ? 'yellow'
        : undefined,
  )
}

/** What keeps events waiting: pauses, breakers, and what doctor finds wrong. */
function troubleSection({ backends, findings }: OutboxStatus): readonly Line[] {
  const pauses = backends.flatMap(({ backend, paused }) =>
    paused === null ? [] : [`paused: ${backend}, by ${paused.by} ${formatDuration(paused.since)} ago ${paused.reason}`],
  )
  const open = backends.flatMap(({ openBreakers }) => openBreakers)
  const breakers = open.map(
    (one) => `breaker: ${placeOf(one)}${one.since === null ? '' : `, for ${openFor(one)}`}: ${one.error}`,
  )
  const wrong = findings.filter(({ level }) => level === 'wrong').map(({ message }) => `doctor: ${message}`)
  return [...pauses, ...breakers, ...wrong].map((text) => ({ text: onOneLine(text), colour: 'red' }))
}

function keySection(keys: readonly BlockedKey[], columns: number): readonly Line[] {
  if (keys.length === 0) return []
  const table: readonly Column<BlockedKey>[] = [
    { title: 'BLOCKED KEY', cell: ({ partitionKey }) => partitionKey, least: 12 },
    { title: 'BACKEND', cell: ({ backend }) => backend, least: 7, expendable: 1 },
    { title: 'SINCE', cell: ({ since }) => formatDuration(since) },
    { title: 'BY EVENT', cell: ({ heldBy }) => heldBy },
  ]
  return tableOf(table, keys, columns)
}

function workerSection(workers: readonly WorkerStatus[], columns: number): readonly Line[] {
  if (workers.length === 0) return []
  const table: readonly Column<WorkerStatus>[] = [
    { title: 'WORKER', cell: ({ name }) => name, least: 12 },
    { title: 'LANES', cell: ({ lanes }) => String(lanes) },
    { title: 'LEASE', cell: ({ leaseLeft }) => formatDuration(leaseLeft) },
    { title: 'BACKENDS', cell: ({ backends }) => backends.join(', '), least: 12, expendable: 1 },
  ]
  return tableOf(table, workers, columns)
}

function tableOf<Row>(
  table: readonly Column<Row>[],
  rows: readonly Row[],
  columns: number,
  colourOf: (row: Row) => Colour | undefined = () => undefined,
): readonly Line[] {
  const [titles = '', ...lines] = fitTable(table, rows, columns)
  return [
    { text: titles, colour: 'bold' },
    ...lines.map((text, n) => {
      const row = rows[n]
      return { text, colour: row === undefined ? undefined : colourOf(row) }
    }),
  ]
}

/** The first so many characters. */
function cutTo(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`
}
