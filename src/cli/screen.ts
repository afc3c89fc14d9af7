import { printable } from '../printable.ts'
import type { Colour, Terminal } from './terminal.ts'

const CODES: Readonly<Record<Colour, string>> = { red: '31', green: '32', yellow: '33', dim: '2', bold: '1' }

/**
 * The terminal as commands have it. This is the one place through which all is printed: each call is one line, whatever
 * came from elsewhere is made `printable`, and colours, which are escape sequences too, are added only then.
 */
export function screenOn(terminal: Terminal): Terminal {
  const shown = (text: string, colour: Colour | undefined, coloured: boolean): string => {
    const line = printable(text)
    return colour === undefined || !coloured || line === '' ? line : `\x1b[${CODES[colour]}m${line}\x1b[0m`
  }
  return {
    out: (line, colour) => terminal.out(shown(line, colour, terminal.coloured.out)),
    note: (line, colour) => terminal.note(shown(line, colour, terminal.coloured.note)),
    progress: (text) => terminal.progress(printable(text)),
    coloured: terminal.coloured,
    width: terminal.width,
    env: terminal.env,
    cwd: terminal.cwd,
    readInput: () => terminal.readInput(),
    stopSignal: () => terminal.stopSignal(),
  }
}

/** Prints a text of our own that has several lines, such as SQL. */
export function printLines(print: (line: string) => void, text: string): void {
  for (const line of text.split('\n')) print(line)
}
