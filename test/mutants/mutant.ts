/** A bug to be planted in the sources, and the tests that must fail with it. */
export interface Mutant {
  /** What goes wrong. Unique. */
  readonly name: string
  /** Path in the project. */
  readonly file: string
  /** Stands once in the file. */
  readonly find: string
  /** What takes its place. */
  readonly put: string
  /** Test files that notice, each without `test/` and `.test.ts`. */
  readonly tests: readonly string[]
  /** Why no test can notice: nothing that a user sees changes. */
  readonly survives?: string
}

/** The text of a file with the bug in it. Throws when the place is gone, or is there more than once. */
export function planted({ name, file, find, put }: Mutant, text: string): string {
  const [before, after, ...more] = text.split(find)
  if (before !== undefined && after !== undefined && more.length === 0) return before + put + after
  const found = after === undefined ? 'is not there any more' : `stands there ${more.length + 1} times`
  throw new Error(`${file}: the text of '${name}' ${found}; anchor it anew: ${find}`)
}
