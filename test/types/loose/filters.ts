/**
 * Compiled, never run, and once more with nothing but `strict`, as most applications are: a condition that may be
 * `undefined` is refused. A line after `@ts-expect-error` must not compile.
 */
import type { EventManager } from '../../../src/admin/events.ts'
import type { RecordFilter } from '../../../src/record/record-source.ts'

declare const events: EventManager
declare const since: Date
declare const maybe: Date | undefined
declare const id: string | undefined
declare const filter: RecordFilter

export function accepted(): void {
  events.filter()
  events.filter({})
  events.filter(filter)
  events.filter({ status: 'failed', createdAt: { gte: since, lt: since }, partitionKey: null })
  events.filter({ status: ['pending', 'retry'], eventType: { startsWith: 'order.' }, retryCount: { in: [1, 2] } })
  events.exclude({ partitionKey: { isNull: true } })
  events.filter({ status: 'failed' }).filter({ ...(maybe && { createdAt: { lt: maybe } }) })
  void events.get({ id: 'x' })
  void events.get('x')
  void events.delete('x')
  void events.delete(['x', 'y'])
  void events.delete({ all: true })
  void events.cancel({ status: 'pending', createdAt: { lt: since } })
  void events.reschedule(filter, since)
}

export function refused(): void {
  // @ts-expect-error
  events.filter({ status: undefined })
  // @ts-expect-error
  events.filter({ createdAt: { lt: maybe } })
  // @ts-expect-error
  events.exclude({ createdAt: maybe })
  // @ts-expect-error
  void events.get({ id })
  // @ts-expect-error
  void events.filter({ status: 'failed' }).get({ id: { in: undefined } })
  // @ts-expect-error
  void events.delete({ createdAt: { lt: undefined } })
  // @ts-expect-error
  void events.delete({ createdAt: { lt: maybe } })
  // @ts-expect-error
  void events.delete(id)
  // @ts-expect-error
  void events.cancel({ createdAt: maybe })
  // @ts-expect-error
  void events.requeue({ id: { in: undefined } })
  // @ts-expect-error
  void events.skip({ partitionKey: id })
  // @ts-expect-error
  void events.replay({ createdAt: { gte: since, lt: maybe } })
  // @ts-expect-error
  void events.reschedule({ id }, since)
  // @ts-expect-error a misspelt column
  events.filter({ statsu: 'failed' })
  // @ts-expect-error a misspelt comparison
  events.filter({ createdAt: { lessThan: since } })
  // @ts-expect-error a status that is none
  events.filter({ status: 'faild' })
  // @ts-expect-error a number where a date is
  events.filter({ createdAt: { lt: 1 } })
  // @ts-expect-error not all
  void events.delete({ all: false })
}
