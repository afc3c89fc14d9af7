import { ask } from './ask.ts'
import { statusProblem } from './live.ts'
import { asProblem } from './problem.ts'
import { isLoggedOut, session } from './session.ts'
import type { Session } from './types.ts'

/** Asks who is signed in. */
export async function startSession(): Promise<void> {
  try {
    const answer = await ask<Session>('session')
    session.value = answer
    isLoggedOut.value = answer.user === null
  } catch (thrown) {
    statusProblem.value = asProblem(thrown)
  }
}
