/** What one destination has in flight. */
interface Room {
  sends: number
  events: number
}

/**
 * Room in flight for the destinations behind a backend, so that a slow one leaves some to the others. One that has
 * nothing in flight may begin while any room is free; more goes to it only while more is free than it has itself: one slow
 * destination takes half of the room at most, two a third each, and something is always left.
 */
export class SendRooms {
  readonly #events: number
  readonly #sends: number
  readonly #rooms = new Map<string | undefined, Room>()
  #inFlight = 0

  /** `events`: in flight in all. `sends`: in flight to one destination. */
  constructor(events: number, sends: number) {
    this.#events = events
    this.#sends = sends
  }

  /** How many events may go to it in one send now. */
  left(destination: string | undefined): number {
    const free = this.#events - this.#inFlight
    const { sends, events } = this.#rooms.get(destination) ?? { sends: 0, events: 0 }
    if (sends >= this.#sends) return 0
    return events === 0 ? Math.min(free, Math.max(1, Math.floor(free / 2))) : Math.floor((free - events) / 2)
  }

  begin(destination: string | undefined, events: number): void {
    const room = this.#rooms.get(destination) ?? { sends: 0, events: 0 }
    this.#rooms.set(destination, { sends: room.sends + 1, events: room.events + events })
    this.#inFlight += events
  }

  end(destination: string | undefined, events: number): void {
    const room = this.#rooms.get(destination)
    if (room === undefined) return
    this.#inFlight -= events
    if (room.sends <= 1) this.#rooms.delete(destination)
    else this.#rooms.set(destination, { sends: room.sends - 1, events: room.events - events })
  }
}
