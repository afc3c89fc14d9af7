import { breaker } from './breaker.ts'
import { delivery } from './delivery.ts'
import { keys } from './keys.ts'
import { lanes } from './lanes.ts'
import { memory } from './memory.ts'
import type { Mutant } from './mutant.ts'
import { rates } from './rates.ts'
import { reading } from './reading.ts'
import { sending } from './sending.ts'
import { settling } from './settling.ts'
import { waking } from './waking.ts'
import { worker } from './worker.ts'

/** All bugs that are planted. */
export const mutants: readonly Mutant[] = [
  ...breaker,
  ...delivery,
  ...keys,
  ...lanes,
  ...memory,
  ...rates,
  ...reading,
  ...sending,
  ...settling,
  ...waking,
  ...worker,
]
