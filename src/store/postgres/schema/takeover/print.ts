import type { Tables } from '../../tables.ts'
import { type TakeOverStep, takeOverSteps, takeOverTable } from './steps.ts'

/** The take-over as a script for `psql`: statement by statement, since indexes are built outside transactions. */
export function printTakeOver(t: Tables, lanes: number): string {
  const steps = takeOverSteps(t, lanes)
  const last = steps.length - 1
  const texts = steps.map((step, n) => `-- take-over ${n + 1}: ${step.name}\n${textOf(t, step, n, n === last)}`)
  return `-- Takes over a table made by Django Broadcaster, for psql with ON_ERROR_STOP. A step that gives up its lock
-- (lock_timeout) is run again; one that has run is not. \`broadcaster migrate\` goes on where a script stopped.
${texts.join('\n')}`
}

function textOf(t: Tables, step: TakeOverStep, n: number, last: boolean): string {
  const done = `UPDATE ${takeOverTable(t)} SET done = ${n + 1};\n`
  switch (step.how) {
    case 'transaction': {
      const note = step.exclusive ? '-- ACCESS EXCLUSIVE, for a moment\n' : ''
      return `${note}BEGIN;\nSET LOCAL lock_timeout = '200ms';\n${step.sql}${last ? '' : done}COMMIT;\n`
    }
    case 'batches':
      return `DO $batches$ BEGIN
  WHILE (${step.sql}) > 0 LOOP COMMIT; END LOOP;
END $batches$;
${done}`
    default:
      return `${step.sql};\n${done}`
  }
}
