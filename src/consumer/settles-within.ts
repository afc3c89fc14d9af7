/** Whether a promise settles within `timeout` ms. Rejects as it does. */
export async function settlesWithin(promise: Promise<unknown>, timeout: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeout)
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves with false once what is ready to go on has gone on. */
export function aMomentLater(): Promise<false> {
  return new Promise((resolve) => setImmediate(() => resolve(false)))
}
