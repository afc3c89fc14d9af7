/**
 * A line as lines that fit a window of `width` columns: broken at spaces, those after the first begin `hang` deeper than the
 * line itself. A word that is longer than the window stays whole, so that it can be copied. Undefined = no terminal.
 */
export function wrapLine(line: string, width: number | undefined, hang = 2): readonly string[] {
  if (width === undefined || line.length <= width) return [line]
  const indent = line.length - line.trimStart().length
  const margin = ' '.repeat(Math.min(indent + hang, Math.floor(width / 2)))
  const lines: string[] = []
  let rest = line
  let least = indent
  while (rest.length > width) {
    const before = rest.lastIndexOf(' ', width)
    const at = before > least ? before : rest.indexOf(' ', Math.max(width, least + 1))
    if (at < 0) break
    lines.push(rest.slice(0, at).trimEnd())
    rest = margin + rest.slice(at + 1).trimStart()
    least = margin.length
  }
  return [...lines, rest]
}
