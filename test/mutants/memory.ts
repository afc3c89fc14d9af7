import type { Mutant } from './mutant.ts'

export const memory: readonly Mutant[] = [
  {
    name: 'a lane is read on behind an event that had no room',
    file: 'src/relay/bounded-fetch.ts',
    find: 'cut.add(row.lane)',
    put: 'undefined',
    tests: ['relay/reader-guards'],
  },
  {
    name: 'a read that took too long is repeated as it was',
    file: 'src/relay/bounded-fetch.ts',
    find: 'this.#most = Math.max(1, Math.min(this.#most, asked) / 4)',
    put: '',
    tests: ['relay/reader-guards'],
  },
  {
    name: 'an event larger than all room is never read',
    file: 'src/relay/bounded-fetch.ts',
    find: 'const isAlone = found.length === 0 && ',
    put: 'const isAlone = false && ',
    tests: ['relay/bounded-fetch'],
  },
  {
    name: 'an event whose data cannot be read holds up its lane',
    file: 'src/relay/bounded-fetch.ts',
    find: 'if (times < PATIENCE) throw error',
    put: 'throw error',
    tests: ['relay/bounded-fetch'],
  },
  {
    name: 'as many rows are asked for as there is space, whatever their size',
    file: 'src/relay/bounded-fetch.ts',
    find: 'Math.max(1, this.#room.left / each)',
    put: 'space',
    tests: ['relay/bounded-fetch'],
  },
  {
    name: 'one larger than all room finds none',
    file: 'src/relay/byte-rooms.ts',
    find: 'this.inUse === 0 || ',
    put: '',
    tests: ['relay/byte-rooms'],
  },
  {
    name: 'one backend takes the room of all',
    file: 'src/relay/byte-rooms.ts',
    find: 'Math.floor((free - room.inUse - room.reserved) / 2) : free',
    put: 'free : free',
    tests: ['relay/byte-rooms'],
  },
  {
    name: 'two reads are given the same room',
    file: 'src/relay/byte-rooms.ts',
    find: 'this.#reserved = this.left\n',
    put: '',
    tests: ['relay/byte-rooms'],
  },
  {
    name: 'what is free is read byte by byte',
    file: 'src/relay/byte-rooms.ts',
    find: 'Math.max(next, this.most * WORTH_A_READ)',
    put: '0',
    tests: ['relay/byte-rooms'],
  },
  {
    name: 'rows are read one lane at a time',
    file: 'src/relay/lane-reader.ts',
    find: 'const { most } = this.#fetching',
    put: 'const most = 1',
    tests: ['relay/costs'],
  },
]
