/** What is free of it before the next read, when there was more to read than fitted: an eighth, so that reads stay worth a statement. */
const WORTH_A_READ = 1 / 8

/**
 * Room for the data of events in one worker's memory, in bytes, shared by its backends. One that is slow leaves some to the others:
 * with several, each may have as much as is free beside it, so that one takes half at most, two a third each.
 */
export class ByteRooms {
  readonly most: number
  readonly #rooms: ByteRoom[] = []

  constructor(most: number) {
    this.most = most
  }

  /** The room of one backend. Ask for all of them before any is used. */
  room(): ByteRoom {
    const room = new ByteRoom(this)
    this.#rooms.push(room)
    return room
  }

  /** What one of them may still take. */
  leftFor(room: ByteRoom): number {
    const taken = this.#rooms.reduce((sum, { inUse, reserved }) => sum + inUse + reserved, 0)
    const free = this.most - taken
    const left = this.#rooms.length > 1 ? Math.floor((free - room.inUse - room.reserved) / 2) : free
    return Math.max(0, left)
  }
}

/** What one backend has of the room. */
export class ByteRoom {
  readonly #rooms: ByteRooms
  #wanted = 0
  #reserved = 0
  /** Bytes of data in memory. */
  inUse = 0

  constructor(rooms: ByteRooms) {
    this.#rooms = rooms
  }

  /** In all, for all backends of the worker. */
  get most(): number {
    return this.#rooms.most
  }

  /** What it may still take. */
  get left(): number {
    return this.#rooms.leftFor(this)
  }

  /** For what a read may find. */
  get reserved(): number {
    return this.#reserved
  }

  /** Whether there is room for what is read next. Where nothing is in memory there is, however large it may be. */
  get isOpen(): boolean {
    return this.inUse === 0 || this.left >= Math.max(1, this.#wanted)
  }

  /** For a read that begins: all that is left. */
  reserve(): number {
    this.#wanted = 0
    this.#reserved = this.left
    return this.#reserved
  }

  /** The read is over, and what it found is in use. `next`: so many bytes were found that had no room. */
  release(next: number): void {
    this.#wanted = next === 0 ? 0 : Math.max(next, this.most * WORTH_A_READ)
    this.#reserved = 0
  }
}
