/**
 * Gathers ids of the same moment, so that a thousand acknowledgements are one command. The result settles with the
 * command that carried the id.
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
