import { say } from '../parts/toasts.tsx'
import { askOnce } from './live.ts'
import { asProblem } from './problem.ts'

/**
 * Runs what somebody asked for and tells how it ended: what `run` returns, or why it could not be done. Resolves with whether it
 * was done.
 */
export async function act(what: string, run: () => Promise<string | undefined>): Promise<boolean> {
  try {
    const text = await run()
    if (text !== undefined) say({ text })
    void askOnce()
    setTimeout(() => void askOnce(), 1_200)
    return true
  } catch (thrown) {
    const { code, message } = asProblem(thrown)
    say({ text: `${what} was not done: ${message} (${code})`, isBad: true })
    return false
  }
}
