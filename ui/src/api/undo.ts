import { manyText, numberText } from '../words/number.ts'
import { act } from './act.ts'
import { post } from './ask.ts'
import type { UndoAnswer } from './types.ts'

/** Undoes what a line of the audit did, call by call until all is, and tells what came of it. */
export async function undo(entry: string | number, what: string): Promise<void> {
  await act(`The undo of ${what}`, async () => {
    const all = { undone: 0, tooLate: 0, unknown: 0 }
    let after: string | null = null
    do {
      const answer: UndoAnswer = await post<UndoAnswer>(`audit/${entry}/undo`, after === null ? {} : { after })
      all.undone += answer.undone
      all.tooLate += answer.tooLate
      all.unknown += answer.unknown
      after = answer.goOn
    } while (after !== null)
    const { undone, tooLate, unknown } = all
    return [
      what === 'pause'
        ? undone > 0
          ? 'The pause was undone'
          : 'The pause had ended already'
        : `${manyText(undone, 'event')} undone`,
      ...(what !== 'pause' && tooLate > 0 ? [`${numberText(tooLate)} too late: sent, tried or moved since`] : []),
      ...(unknown > 0 ? [`${numberText(unknown)} not known, for their worker did not answer`] : []),
    ].join('; ')
  })
}
