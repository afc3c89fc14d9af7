import { stringifyJson } from '../../event/json.ts'
import { countOf } from '../../foundation/for-people.ts'
import { defineCommand } from '../command.ts'
import { EXIT, interruptedCode, UsageError } from '../exit-codes.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'

/** `broadcaster undo`. */
export const undo = defineCommand({
  name: 'undo',
  summary: 'Undoes a requeue, a cancel or a pause, as far as nothing has become of it.',
  description:
    'n is its number in broadcaster audit; with --operation that of an operation in the background, which must have ended. Events that were\n' +
    'not tried since are what they were before, and one that blocked its key blocks it again.',
  positionals: '<n>',
  options: {
    ...OPERATOR_OPTIONS,
    operation: { kind: 'flag', help: 'n is the number of an operation in the background.' },
  },
  examples: ['broadcaster undo 31', 'broadcaster undo 12 --operation --reason "the wrong filter"'],
  async run({ options, positionals }, { terminal, ready }) {
    const [number = '', ...more] = positionals
    if (!/^[1-9]\d{0,14}$/.test(number) || more.length > 0) {
      throw new UsageError('undo takes one number: broadcaster audit shows them')
    }
    const { broadcaster } = await ready()
    const { admin } = broadcaster
    const entry = options.operation ? (await admin.operations.get(Number(number))).audit : Number(number)
    if (entry === null) throw new UsageError(`operation ${number} has no entry in the audit`)
    const signal = terminal.stopSignal()
    const onProgress = ({ undone }: { readonly undone: number }): void =>
      terminal.progress(`${countOf(undone, 'event')} undone`)
    const result = await admin.undo(entry, { ...operator(options), signal, onProgress })
    const { undone, tooLate, unknown, next } = result
    const interrupted = next !== null
    if (options.json) {
      terminal.verbatim(stringifyJson({ entry, undone, tooLate, unknown, ...(interrupted && { interrupted }) }))
    } else {
      const late = tooLate === 0 ? '' : `; ${tooLate} too late: sent, tried or moved since`
      const silent =
        unknown === 0 ? '' : `; ${unknown} unknown: a worker has them in hand and did not answer, so try again`
      terminal.out(`${undone} undone${late}${silent}.`)
      if (undone + tooLate + unknown === 0 && !interrupted) {
        terminal.note(
          `Of entry ${entry} nothing is left to undo: it was undone already, changed nothing, or is older than a week.`,
        )
      }
      if (interrupted) terminal.note('It was interrupted; the same command undoes the rest.')
    }
    if (interrupted) return interruptedCode(signal)
    return unknown > 0 ? EXIT.store : EXIT.ok
  },
})
