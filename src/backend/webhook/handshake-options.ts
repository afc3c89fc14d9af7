import { showValue } from '../../problem.ts'

export interface WebhookHandshake {
  /** Who we are, as a DNS name: `events.example.com`. One name for all our hosts. */
  readonly origin: string
  /** The rate that we ask for, in requests a minute. Default: none is asked for. */
  readonly rate?: number
  /** How long a permission is good for before it is asked for again, in milliseconds. Default 3600000 (1 h). */
  readonly renewAfter?: number
}

/** The options with all defaults. */
export interface ResolvedHandshake {
  readonly origin: string
  readonly rate: number | undefined
  readonly renewAfter: number
}

const NAMES: readonly string[] = ['origin', 'rate', 'renewAfter']

/** The handshake that `handshake` asks for; `problem` is told what is wrong, continuing the option's name. */
export function resolveHandshake(
  given: WebhookHandshake | false | undefined,
  problem: (message: string) => void,
): ResolvedHandshake | undefined {
  if (given === undefined || given === false) return undefined
  if (typeof given !== 'object' || given === null) {
    problem(`must be false or { origin, rate?, renewAfter? }, not ${showValue(given)}`)
    return undefined
  }
  const { origin, rate, renewAfter = 3_600_000 } = given
  for (const name of Object.keys(given)) {
    if (!NAMES.includes(name)) problem(`has ${name}, which is not an option; they are ${NAMES.join(', ')}`)
  }
  if (!isDnsName(origin)) problem(`needs an origin, a DNS name such as events.example.com, not ${showValue(origin)}`)
  if (rate !== undefined && !isWhole(rate, 999_999_999)) {
    problem(`needs a rate that is a whole number of requests a minute, from 1, not ${showValue(rate)}`)
  }
  if (!isWhole(renewAfter, Number.MAX_SAFE_INTEGER)) {
    problem(`needs renewAfter in whole milliseconds, from 1, not ${showValue(renewAfter)}`)
  }
  return { origin, rate, renewAfter }
}

function isDnsName(text: unknown): boolean {
  return typeof text === 'string' && text.length <= 253 && /^[a-z\d_-]{1,63}(\.[a-z\d_-]{1,63})*$/i.test(text)
}

function isWhole(value: unknown, max: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max
}
