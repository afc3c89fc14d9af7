import type { Mutant } from './mutant.ts'

export const delivery: readonly Mutant[] = [
  {
    name: 'a send has no end',
    file: 'src/relay/bounded-send.ts',
    find: 'stop.abort(timedOut)',
    put: 'undefined',
    tests: ['relay/hanging'],
  },
  {
    name: 'a backend that ignores its signal is waited for',
    file: 'src/relay/bounded-send.ts',
    find: "late.resolve('late')",
    put: 'undefined',
    tests: ['relay/hanging'],
  },
  {
    name: 'one event that hangs is charged to its batch',
    file: 'src/relay/isolating-sender.ts',
    find: 'results.includes(undefined) ? this.#eachAlone(batch, results, isHalted) : results',
    put: 'results',
    tests: ['relay/hanging'],
  },
  {
    name: 'a backend that answers nothing costs each event an attempt',
    file: 'src/relay/isolating-sender.ts',
    find: 'voice.silent.size > 1 ? this.#silence() : ',
    put: '',
    tests: ['relay/hanging'],
  },
  {
    name: 'an event that hung is sent with others again',
    file: 'src/relay/isolating-sender.ts',
    find: '    this.#hung.add(held.id)\n',
    put: '',
    tests: ['relay/hanging'],
  },
  {
    name: 'what was rolled back counts as handled',
    file: 'src/relay/sender.ts',
    find: 'return result.ok && !recorded ? notAttempted : result',
    put: 'return result',
    tests: ['relay/transactional'],
  },
  {
    name: 'events are begun after a stop',
    file: 'src/relay/may-begin.ts',
    find: '!isHalted() && ',
    put: '',
    tests: ['relay/rooms'],
  },
  {
    name: 'events are begun at the end of a send',
    file: 'src/relay/may-begin.ts',
    find: ' && performance.now() <= until',
    put: '',
    tests: ['relay/rooms'],
  },
  {
    name: 'a hook sends after its time',
    file: 'src/relay/send-hooks.ts',
    find: 'if (signal.aborted || !lease.allows(0)) throw tooLate(name)',
    put: '',
    tests: ['relay/send-hooks'],
  },
]
