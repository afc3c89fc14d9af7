import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { attributeProblem } from '../event/attributes.ts'
import { stringifyJson } from '../event/json.ts'
import { describeError } from '../foundation/describe-error.ts'
import { type Problem, showValue } from '../foundation/problem.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { PublishOptions } from './event-input.ts'
import { unknownBackendMessage } from './routes.ts'

/** How to deliver the events of one call: its options, checked. */
export interface CheckedPublishOptions {
  /** Backends named by the caller; undefined = by route. */
  readonly backends: readonly string[] | undefined
  readonly scheduledAt: Date | null
  /** Milliseconds. */
  readonly delay: number
  readonly maxRetries: number
  readonly config: Readonly<Record<string, unknown>>
  readonly configJson: string
  readonly partitionKey: string | null
}

/** What other libraries call them. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['key', '; the key is `partitionKey`'],
  ['at', '; the due time is `scheduledAt`'],
])
const KNOWN_OPTIONS = ['backend', 'scheduledAt', 'delay', 'maxRetries', 'backendConfig', 'partitionKey']
const MAX_INT = 2 ** 31 - 1
/** The width of the column, in characters. */
const KEY_WIDTH = 255
/** A hundred years in milliseconds: due times must stay well below the far future that means "blocked". */
const MAX_DELAY = 100 * 365.25 * 24 * 3600 * 1000

/** Checks the options of a publish. Problems are added to the list. */
export function readPublishOptions(
  given: PublishOptions,
  backends: ReadonlyMap<string, Backend>,
  maxRetries: number,
  problems: Problem[],
): CheckedPublishOptions {
  const report = (field: string, value: unknown, message: string): void => {
    problems.push({ code: 'INVALID_OPTION', field, value, message })
  }
  const options = readOptions(given, report)
  for (const name of Object.keys(options)) {
    if (KNOWN_OPTIONS.includes(name)) continue
    const value: unknown = Reflect.get(options, name)
    report(
      name,
      value,
      `is not an option of publish${MEANT.get(name) ?? suggestion(name, KNOWN_OPTIONS)}; options: ${KNOWN_OPTIONS.join(', ')}`,
    )
  }
  const { scheduledAt = null, delay = 0, backendConfig = {}, partitionKey = null } = options
  if (scheduledAt !== null && !isInstant(scheduledAt)) {
    report('scheduledAt', scheduledAt, `is ${showValue(scheduledAt)}; give a Date of the years 1 to 9998`)
  }
  if (typeof delay !== 'number' || !(delay >= 0 && delay <= MAX_DELAY)) {
    report('delay', delay, `is ${showValue(delay)}; give milliseconds, from 0 to a hundred years`)
  } else if (scheduledAt !== null && delay > 0) {
    report('delay', delay, 'stands beside scheduledAt; give one of them')
  }
  const retries = options.maxRetries ?? maxRetries
  if (!Number.isInteger(retries) || retries < 0 || retries >= MAX_INT) {
    report('maxRetries', retries, `is ${showValue(retries)}; give a whole number, 0 or more`)
  }
  const wrongKey = partitionKey === null ? undefined : keyProblem(partitionKey)
  if (wrongKey !== undefined) report('partitionKey', partitionKey, wrongKey)
  return {
    backends: readBackends(options.backend, backends, problems),
    scheduledAt,
    delay,
    // The column counts attempts, as Django's does: the first, and the retries.
    maxRetries: retries + 1,
    config: backendConfig,
    configJson: readConfig(backendConfig, report),
    // A wrong key is reported, and must not be hashed.
    partitionKey: wrongKey === undefined ? partitionKey : null,
  }
}

/** Lets a backend check the options meant for it. */
export function configProblem(
  backend: Backend,
  name: string,
  config: Readonly<Record<string, unknown>>,
): Problem | undefined {
  try {
    backend.checkConfig?.(config)
    return undefined
  } catch (error) {
    if (!(error instanceof BroadcasterError)) throw error
    // Some backends name the option itself, others a member of it.
    const { field: named = 'backendConfig' } = error
    const field = /^backendConfig(\.|$)/.test(named) ? named : `backendConfig.${named}`
    return {
      code: error.code,
      field,
      value: error.value,
      message: `is refused by the backend "${name}": ${error.message}`,
    }
  }
}

/** What is wrong with an order key, continuing its name: its length, or characters that CloudEvents forbids. */
export function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string' || key === '') return `is ${showValue(key)}; it must be a text, or left out`
  const length = key.length <= KEY_WIDTH ? key.length : [...key].length
  if (length > KEY_WIDTH) return `has ${length} characters; at most ${KEY_WIDTH} fit`
  return attributeProblem('partitionkey', key)
}

/** The options as a plain object: anything else, or one that throws when it is read, is reported. */
function readOptions(
  options: unknown,
  report: (field: string, value: unknown, message: string) => void,
): PublishOptions {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) {
    try {
      return { ...options }
    } catch (error) {
      report('options', undefined, `cannot be read: ${describeError(error)}`)
      return {}
    }
  }
  report('options', options, `are ${showValue(options)}; give an object such as { backend, delay }`)
  return {}
}

function readBackends(
  backend: PublishOptions['backend'],
  known: ReadonlyMap<string, Backend>,
  problems: Problem[],
): readonly string[] | undefined {
  if (backend === undefined) return undefined
  if (typeof backend !== 'string' && !(Array.isArray(backend) && backend.every((name) => typeof name === 'string'))) {
    const message = `is ${showValue(backend)}; give the name of a backend, or a list of names`
    problems.push({ code: 'INVALID_OPTION', field: 'backend', value: backend, message })
    return undefined
  }
  const names: readonly string[] = [...new Set(typeof backend === 'string' ? [backend] : backend)]
  if (names.length === 0) {
    const message = 'is an empty list; name a backend or leave it out'
    problems.push({ code: 'INVALID_OPTION', field: 'backend', value: backend, message })
  }
  for (const name of names) {
    if (known.has(name)) continue
    const message = unknownBackendMessage(name, known.keys())
    problems.push({ code: 'UNKNOWN_BACKEND', field: 'backend', value: name, message })
  }
  return names
}

function readConfig(config: unknown, report: (field: string, value: unknown, message: string) => void): string {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    report('backendConfig', config, `is ${showValue(config)}; give an object`)
    return '{}'
  }
  try {
    return stringifyJson(config, 'backendConfig')
  } catch (error) {
    if (!(error instanceof BroadcasterError)) throw error
    report('backendConfig', config, `cannot be stored: ${error.message}`)
    return '{}'
  }
}

function isInstant(value: unknown): boolean {
  if (!(value instanceof Date)) return false
  const year = value.getUTCFullYear()
  return year >= 1 && year <= 9998
}
