import type { ReadStream, WriteStream } from 'node:tty'
import type { FullScreen, Line } from './terminal.ts'

/** Another screen, so that what was there comes back; no cursor, and lines that are too long are cut, not wrapped. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const REST_OF_LINE = '\x1b[K'
const REST_OF_WINDOW = '\x1b[J'
/** Ctrl-C and Ctrl-D, which are characters while keys are read one by one. */
const ENDS = ['q', 'Q', '\x03', '\x04']
/** Where a terminal does not tell its size. */
const USUAL = { columns: 80, rows: 24 }

/** Takes the window over. `paint` makes a line safe to print, with its colour. */
export function takeWindow(input: ReadStream, output: WriteStream, paint: (line: Line) => string): FullScreen {
  const ending = new AbortController()
  const listeners: (() => void)[] = []
  let closed = false
  const onKey = (keys: Buffer): void => {
    if (ENDS.some((key) => keys.includes(key))) ending.abort()
  }
  const onEnd = (): void => ending.abort()
  const resized = (): void => {
    for (const listener of listeners) listener()
  }
  const close = (): void => {
    if (closed) return
    closed = true
    output.off('resize', resized)
    input.off('data', onKey).off('end', onEnd)
    input.setRawMode(false)
    input.pause()
    process.off('exit', close)
    output.write(LEAVE)
  }
  // Whatever ends the process, the next command finds a terminal that works.
  process.once('exit', close)
  input.setRawMode(true)
  input.on('data', onKey).on('end', onEnd).resume()
  output.on('resize', resized)
  output.write(ENTER)
  return {
    get columns() {
      return output.columns || USUAL.columns
    },
    get rows() {
      return output.rows || USUAL.rows
    },
    // In one write, over what is there: a window that is cleared first flickers. What clears the rest of a line comes before its text: the
    // cursor stays on the last character of a line that fills the window.
    draw(lines) {
      if (closed) return
      const last = lines.length - 1
      const shown = lines.map((line, n) => (n < last ? REST_OF_LINE : REST_OF_WINDOW) + paint(line)).join('\r\n')
      output.write(`${HOME}${shown || REST_OF_WINDOW}`)
    },
    onResize: (listener) => void listeners.push(listener),
    closed: ending.signal,
    close,
  }
}
