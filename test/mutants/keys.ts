import type { Mutant } from './mutant.ts'

export const keys: readonly Mutant[] = [
  {
    name: 'what waits behind a head is sent',
    file: 'src/relay/cycle.ts',
    find: '    if (blocker) {\n',
    put: '    if (false) {\n',
    tests: ['relay/relay', 'relay/interleavings'],
  },
]
