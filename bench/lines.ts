/** One line of a plot: a value for each step, the first at the left. */
export interface Series {
  readonly label: string
  readonly colour: string
  readonly values: readonly number[]
}

const HEIGHT = 120

/** A plot of lines over the same steps as SVG, from `top` down, 160 pixels high; each value axis begins at 0. */
export function linesOf(
  top: number,
  title: string,
  series: readonly Series[],
  unit: string,
  width: number,
): readonly string[] {
  const [left, right, y0] = [70, width - 20, top + 15 + HEIGHT]
  const most = Math.max(1e-9, ...series.flatMap(({ values }) => values).filter(Number.isFinite))
  const steps = Math.max(1, ...series.map(({ values }) => values.length - 1))
  const point = (value: number, n: number): string =>
    `${(left + (n / steps) * (right - left)).toFixed(1)},${(y0 - (value / most) * HEIGHT).toFixed(1)}`
  const text = (value: number): string =>
    `${value >= 10 ? Math.round(value).toLocaleString('en') : value.toFixed(1)} ${unit}`
  return [
    `<text x="10" y="${top}" font-weight="bold">${title}</text>`,
    ...[0, 0.5, 1].flatMap((share) => [
      `<line x1="${left}" x2="${right}" y1="${y0 - share * HEIGHT}" y2="${y0 - share * HEIGHT}" stroke="#dddddd"/>`,
      `<text x="${left - 6}" y="${y0 - share * HEIGHT + 4}" text-anchor="end" font-size="11">${text(share * most)}</text>`,
    ]),
    ...series.flatMap(({ label, colour, values }, n) => [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${values.map(point).join(' ')}"/>`,
      `<rect x="${right - 170 + n * 90}" y="${top - 10}" width="10" height="10" fill="${colour}"/>`,
      `<text x="${right - 156 + n * 90}" y="${top}" font-size="11">${label}</text>`,
    ]),
  ]
}

/** An SVG of these parts. */
export function svg(title: string, width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}
