/**
 * Gathers the ids of one moment, so that a thousand acknowledgements are one command. What it returns settles with the command
 * that the id went out with.
 */
export function idBatch(send: (ids: readonly string[]) => Promise<void>): (id: string) => Promise<void> {
  let ids: string[] = []
  let sending: Promise<void> | undefined
  return (id) => {
    ids.push(id)
    sending ??= Promise.resolve().then(() => {
      const all = ids
      ids = []
      sending = undefined
      return send(all)
    })
    return sending
  }
}
