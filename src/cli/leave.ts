/** How long the process may take to end by itself before those who wait for its end are told, in milliseconds. */
const PATIENCE = 250
/** What they then have, in milliseconds: an exporter that sends its last spans. */
const GRACE = 5_000

/**
 * Ends the process with this code once all is printed. A configuration file may hold pools open that only it could close: they do not
 * keep it. Listeners of `beforeExit`, such as a tracing SDK's, are called and waited for, but not for ever.
 */
export function leave(code: number): void {
  process.exitCode = code
  process.stdout.write('', (error: NodeJS.ErrnoException | null | undefined) => {
    // What is printed is lost, on a full disk: whoever listens for the error says so, and ends it.
    if (error && error.code !== 'EPIPE') return
    process.stderr.write('', () => {
      if (process.listenerCount('beforeExit') === 0) process.exit(code)
      let told = false
      process.once('beforeExit', () => {
        told = true
      })
      // Neither timer keeps the process: it ends sooner when nothing else does.
      const tell = (): void => {
        if (!told) process.emit('beforeExit', code)
      }
      setTimeout(tell, PATIENCE).unref()
      setTimeout(() => process.exit(code), PATIENCE + GRACE).unref()
    })
  })
}
