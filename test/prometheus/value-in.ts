/** The value of the first series of a metric, in a text as Prometheus scrapes it, that has these labels; undefined = there is none. */
export function valueIn(
  text: string,
  metric: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  const line = text
    .split('\n')
    .find((each) => /^\w+/.exec(each)?.[0] === metric && wanted.every((label) => each.includes(label)))
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1))
}
