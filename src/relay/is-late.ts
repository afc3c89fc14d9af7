/** Whether a promise is still not settled after `wait` ms; resolves as soon as it is. Never rejects. */
export async function isLate(promise: Promise<unknown>, wait: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), wait)
  })
  const settled = promise.then(
    () => false,
    () => false,
  )
  try {
    return await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}
