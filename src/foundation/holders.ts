/** Something that is closed once. */
export interface Closable {
  close(): Promise<void>
}

/** Who still uses each resource. Weak: what nobody uses any more needs no entry. */
const holders = new WeakMap<Closable, Set<object>>()

/** `holder` uses `resource`: it stays open until every holder has let go of it. */
export function hold(resource: Closable, holder: object): void {
  const all = holders.get(resource)
  if (all) all.add(holder)
  else holders.set(resource, new Set([holder]))
}

/** `holder` no longer uses it: the last holder to let go closes it. Rejects when that fails. */
export async function letGo(resource: Closable, holder: object): Promise<void> {
  const all = holders.get(resource)
  if (!all?.delete(holder) || all.size > 0) return
  holders.delete(resource)
  await resource.close()
}
