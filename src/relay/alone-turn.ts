/** The end of the last turn asked for. */
let last: Promise<unknown> = Promise.resolve()

/**
 * One turn at a time in the whole process, for events that may have killed a worker: it must be alone when it does so
 * again. Resolves, when it is our turn, with the function that ends it.
 */
export async function takeAloneTurn(): Promise<() => void> {
  const turn = Promise.withResolvers<void>()
  const before = last
  last = turn.promise
  await before
  return turn.resolve
}
