import { BroadcasterError } from '../errors.ts'
import type { CaptureOptions } from './capture.ts'
import type { Inspection } from './inspection.ts'
import { type FoundSchema, requireUsable, type SchemaStep, statusOf } from './schema-status.ts'
import type { InspectOptions } from './server-look.ts'
import type { PartitionOptions, PartitionReport, SchemaStore } from './store.ts'
import type { TableSize } from './table-sizes.ts'

const DEFAULT_LANES = 64
const MOST_LANES = 1_024

/** What each database does in its own way for migrations. */
export interface SchemaParts<Step extends SchemaStep> {
  /** The events table, for messages, quoted or not. */
  readonly table: string
  /** The steps that this package knows, in order. */
  readonly steps: readonly Step[]
  /** Reads what exists; `check`: must not wait for what an operator has asked for. */
  read(use: 'operator' | 'check'): Promise<FoundSchema>
  /** Applies missing steps, one process at a time; returns what had been dropped and was made again, for people. */
  migrate(lanes: number, onProgress: ((message: string) => void) | undefined): Promise<readonly string[]>
  /** A preamble of all scripts. */
  readonly beforeScripts?: string
  /** A step as a script, including the record of it. */
  script(step: Step, lanes: number): string
  /** The script that replaces step 1 for a table that Django Broadcaster made. */
  takeOverScript(lanes: number): string
  inspect(options?: InspectOptions): Promise<Inspection>
  capture(options: CaptureOptions): Promise<string>
  sizes(): Promise<readonly TableSize[] | undefined>
  drift(): Promise<readonly string[]>
  /** Only where a table can have partitions. */
  readonly partition?: (options: PartitionOptions) => Promise<PartitionReport>
}

/** A database's `SchemaStore`, from these parts. */
export function schemaStore<Step extends SchemaStep>(parts: SchemaParts<Step>): SchemaStore {
  const { steps, partition } = parts
  const status = async () => statusOf(await parts.read('operator'), steps)
  return {
    status,
    async migrate({ lanes = DEFAULT_LANES, onProgress } = {}) {
      checkLanes(lanes)
      const mended = await parts.migrate(lanes, onProgress)
      const after = await status()
      return mended.length === 0 ? after : { ...after, mended }
    },
    print({ from = 0, lanes = DEFAULT_LANES, takeOver = false } = {}) {
      checkLanes(lanes)
      const scripts = steps
        .filter(({ version }) => version > (takeOver ? 1 : from))
        .map((step) => `-- ${step.version} ${step.name}\n${parts.script(step, lanes)}`)
      const before = scripts.length === 0 ? '' : (parts.beforeScripts ?? '')
      return before + [...(takeOver ? [parts.takeOverScript(lanes)] : []), ...scripts].join('\n')
    },
    check: async () => requireUsable(await parts.read('check'), steps, parts.table.replaceAll(/["`]/g, '')),
    inspect: (options) => parts.inspect(options),
    capture: (options) => parts.capture(options),
    sizes: () => parts.sizes(),
    drift: () => parts.drift(),
    ...(partition && {
      partition: async (options = {}) => {
        checkAhead(options.ahead)
        requireUsable(await parts.read('operator'), steps, parts.table.replaceAll(/["`]/g, ''))
        return partition(options)
      },
    }),
  }
}

const MOST_AHEAD = 100

function checkAhead(ahead = 1): void {
  if (Number.isInteger(ahead) && ahead >= 1 && ahead <= MOST_AHEAD) return
  throw new BroadcasterError('INVALID_OPTION', `ahead is ${ahead}; give a whole number from 1 to ${MOST_AHEAD}`, {
    field: 'ahead',
    value: ahead,
  })
}

function checkLanes(lanes: number): void {
  if (Number.isInteger(lanes) && lanes >= 1 && lanes <= MOST_LANES) return
  throw new BroadcasterError('INVALID_OPTION', `lanes is ${lanes}; give a whole number from 1 to ${MOST_LANES}`, {
    field: 'lanes',
    value: lanes,
  })
}
