/** One behaviour that every implementation of a seam must show. It throws an `AssertionError` when it does not. */
export interface ConformanceCase<Fixture> {
  /** What is tested, in one sentence. */
  readonly name: string
  /** What the fixture must offer; an implementation that cannot declares it, with the reason. */
  readonly requires?: string
  /** Rejects when the implementation fails the case. */
  run(fixture: Fixture): Promise<void>
}

/** Writes the cases of one suite. */
export function caseWriter<Fixture, Ability extends string>() {
  type Case = ConformanceCase<Fixture> & { readonly requires?: Ability }
  return {
    it: (name: string, run: (fixture: Fixture) => Promise<void>): Case => ({ name, run }),
    /** For fixtures with an ability: `requires('another')('of two ...', run)`. */
    requires<Needed extends Ability>(ability: Needed) {
      // Where an ability is the name of an optional member, such a fixture has it; one that lies fails the case.
      type Offering = Fixture & Required<Pick<Fixture, Needed & keyof Fixture>>
      return (name: string, run: (fixture: Offering) => Promise<void>): Case => ({
        name,
        requires: ability,
        run: (fixture) => run(fixture as Offering),
      })
    },
  }
}

/** The two calls that a suite needs from a test runner; `node:test`, vitest and jest have them in some form. */
export interface ConformanceRunner {
  /** Registers one test with the runner. */
  test(name: string, run: () => Promise<void>): unknown
  /** Reports a skipped case. `reason` is meant to be printed. */
  skip(name: string, reason: string): unknown
}

/** What each case of a suite gets: made for it, closed after it. */
export interface ConformanceFixture {
  /** Removes what was made for this case. */
  close(): Promise<void>
}

/**
 * Registers cases with a test runner. `cannot` names what this implementation does not offer, each with its reason;
 * cases that require it are skipped and say so.
 *
 * @example
 * runConformance(
 *   { test, skip: (name, reason) => test(name, { skip: reason }, () => {}) },
 *   storeConformance,
 *   async () => ({ store: myStore(), close: async () => {} }),
 *   { wake: 'this database cannot announce commits' },
 * )
 */
export function runConformance<Fixture extends ConformanceFixture>(
  runner: ConformanceRunner,
  cases: readonly ConformanceCase<Fixture>[],
  create: () => Promise<Fixture>,
  cannot: Readonly<Record<string, string>> = {},
): void {
  for (const each of cases) {
    const reason = each.requires === undefined ? undefined : cannot[each.requires]
    if (reason !== undefined) {
      runner.skip(each.name, reason)
      continue
    }
    runner.test(each.name, async () => {
      const fixture = await create()
      try {
        await each.run(fixture)
      } finally {
        await fixture.close()
      }
    })
  }
}
