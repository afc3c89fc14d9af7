const BAR = 22

/** A bar of a chart: its parts side by side, and what is written behind it. */
export interface Bar {
  readonly label: string
  readonly parts: readonly { readonly value: number; readonly colour: string }[]
  readonly text: string
}

/** A bar chart as lines of SVG, from `top` down; `left`: where bars begin. Each takes 30 pixels. */
export function bars(top: number, title: string, rows: readonly Bar[], left: number, width: number): readonly string[] {
  const totals = rows.map(({ parts }) => parts.reduce((sum, part) => sum + part.value, 0))
  const scale = (width - left - 90) / Math.max(...totals, 1)
  const drawn = rows.flatMap(({ label, parts, text }, n) => {
    const y = top + 10 + n * (BAR + 8)
    let x = left
    const rects = parts.map(({ value, colour }) => {
      const rect = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(1, value * scale).toFixed(1)}" height="${BAR}" fill="${colour}"/>`
      x += value * scale
      return rect
    })
    return [
      `<text x="${left - 10}" y="${y + 16}" text-anchor="end">${label}</text>`,
      ...rects,
      `<text x="${(x + 8).toFixed(1)}" y="${y + 16}">${text}</text>`,
    ]
  })
  return [`<text x="10" y="${top}" font-weight="bold">${title}</text>`, ...drawn]
}
