import { printable } from '../foundation/printable.ts'
import type { Colour, Terminal } from './terminal.ts'
import { wrapLine } from './wrap.ts'

/** The terminal as commands have it. */
export interface Screen extends Terminal {
  /** Prints a line of the result that is for programs or to be copied, such as JSON and SQL: whatever the window, it stays whole. */
  verbatim(line: string): void
  /** The same for a terminal. */
  noteVerbatim(line: string): void
}

const CODES: Readonly<Record<Colour, string>> = { red: '31', green: '32', yellow: '33', dim: '2', bold: '1' }

/**
 * The one place through which all is printed: each call is one line, wrapped where a person watches; whatever came from
 * elsewhere is made `printable`, and colours, which are escape sequences too, are added only then.
 */
export function screenOn(terminal: Terminal): Screen {
  const painted = (line: string, colour: Colour | undefined, coloured: boolean): string =>
    colour === undefined || !coloured || line === '' ? line : `\x1b[${CODES[colour]}m${line}\x1b[0m`
  return {
    out(text, colour) {
      for (const line of wrapLine(printable(text), terminal.width)) {
        terminal.out(painted(line, colour, terminal.coloured.out))
      }
    },
    note(text, colour) {
      for (const line of wrapLine(printable(text), terminal.noteWidth)) {
        terminal.note(painted(line, colour, terminal.coloured.note))
      }
    },
    verbatim: (line) => terminal.out(printable(line)),
    noteVerbatim: (line) => terminal.note(printable(line)),
    progress: (text) => terminal.progress(printable(text)),
    coloured: terminal.coloured,
    get width() {
      return terminal.width
    },
    get noteWidth() {
      return terminal.noteWidth
    },
    fullScreen: () =>
      terminal.fullScreen(({ text, colour }) => painted(printable(text), colour, terminal.coloured.out)),
    env: terminal.env,
    cwd: terminal.cwd,
    ask: (question) => terminal.ask(printable(question)),
    readInput: () => terminal.readInput(),
    stopSignal: () => terminal.stopSignal(),
  }
}

/** Prints a text of our own that has several lines, such as SQL. */
export function printLines(print: (line: string) => void, text: string): void {
  for (const line of text.split('\n')) print(line)
}
