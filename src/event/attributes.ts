import { type Problem, showValue } from '../foundation/problem.ts'
import { isMediaType } from './content-type.ts'
import { isTimestamp } from './timestamp.ts'
import { isUri, isUriReference } from './uri.ts'

/** Control characters, unpaired surrogates and noncharacters: what a CloudEvents String must not contain. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u
const EXTENSION_NAME = /^[a-z0-9]+$/
const INT32_MIN = -(2 ** 31)
const INT32_MAX = 2 ** 31 - 1

/** Limits of one event that is read, whoever sent it: many places read, match and store an attribute. */
export const MOST_ATTRIBUTES = 1_000
const LONGEST_NAME = 255
const NONE: ReadonlySet<string> = new Set()
export const LONGEST_VALUE = 65_536

/** What is wrong with a value, continuing the attribute's name; undefined = nothing. */
type Rule = (value: string) => string | undefined

const anyText: Rule = () => undefined

/** The context attributes of CloudEvents 1.0 and the rule of each; all are non-empty strings. */
const RULES: Readonly<Record<string, Rule>> = {
  specversion: (value) => (value === '1.0' ? undefined : `is ${showValue(value)}; only "1.0" is supported`),
  id: anyText,
  source: (value) =>
    isUriReference(value)
      ? undefined
      : `is ${showValue(value)}, not a URI-reference (RFC 3986); write it like "/orders", percent-encoded`,
  type: anyText,
  subject: anyText,
  time: (value) =>
    isTimestamp(value)
      ? undefined
      : `is ${showValue(value)}, not an RFC 3339 timestamp; write it like "2026-01-31T12:00:00Z"`,
  datacontenttype: (value) =>
    isMediaType(value)
      ? undefined
      : `is ${showValue(value)}, not a media type (RFC 2046); write it like "application/json"`,
  dataschema: (value) =>
    isUri(value)
      ? undefined
      : `is ${showValue(value)}, not an absolute URI; write it like "https://example.com/order.json"`,
}

/** The attributes without which there is no event. */
export const REQUIRED_ATTRIBUTES = ['specversion', 'id', 'source', 'type'] as const

/** Whether a name belongs to CloudEvents itself and so cannot be an extension. */
export function isContextAttribute(name: string): boolean {
  return Object.hasOwn(RULES, name) || name === 'data' || name === 'data_base64'
}

/**
 * All that is wrong with the attributes of one event: those of CloudEvents 1.0 and its extensions. Absent and null
 * ones count as not there. `label` says what the caller calls an attribute (default: its CloudEvents name); those in `known` are not
 * looked at.
 */
export function attributeProblems(
  attributes: Readonly<Record<string, unknown>>,
  label: (name: string) => string = (name) => name,
  known: ReadonlySet<string> = NONE,
): Problem[] {
  const problems: Problem[] = []
  const report = (name: string, value: unknown, message: string): void => {
    problems.push({ code: 'INVALID_EVENT', field: label(name), value, message })
  }
  const names = Object.keys(attributes)
  if (names.length > MOST_ATTRIBUTES) {
    report('attributes', names.length, `are ${names.length}; an event has at most ${MOST_ATTRIBUTES}`)
    return problems
  }
  for (const name of REQUIRED_ATTRIBUTES) {
    const value = attributes[name]
    if (value === undefined || value === null) report(name, value, 'is missing; every CloudEvent has one')
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || known.has(name)) continue
    if (name.length > LONGEST_NAME) {
      const cure = `has a name of ${name.length} characters; use at most 20, and never more than ${LONGEST_NAME}`
      report(`${name.slice(0, 20)}...`, value, cure)
      continue
    }
    const message = attributeProblem(name, value)
    if (message !== undefined) report(name, value, message)
  }
  return problems
}

/** What is wrong with one attribute, continuing its name; undefined = nothing. */
export function attributeProblem(name: string, value: unknown): string | undefined {
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined
  return rule ? textProblem(name, value, rule) : extensionProblem(name, value)
}

function textProblem(name: string, value: unknown, rule: Rule): string | undefined {
  if (typeof value !== 'string') return `is ${showValue(value)}; it must be a string`
  if (value === '')
    return name === 'type' || name === 'source' ? 'is empty; give a text' : 'is empty; give a text or leave it out'
  return lengthProblem(value) ?? characterProblem(value) ?? rule(value)
}

function lengthProblem(value: string): string | undefined {
  if (value.length <= LONGEST_VALUE) return undefined
  return `has ${value.length} characters; at most ${LONGEST_VALUE} fit into an attribute: put it into the data`
}

function extensionProblem(name: string, value: unknown): string | undefined {
  // Names beyond 20 characters are discouraged by the specification, not forbidden.
  if (!EXTENSION_NAME.test(name)) {
    return `is not a valid extension name; use only a-z and 0-9${nameCure(name)}`
  }
  if (name === 'data') return 'is not an attribute; data stands beside them'
  if (typeof value === 'boolean') return undefined
  if (typeof value === 'string') return lengthProblem(value) ?? characterProblem(value)
  if (typeof value === 'number') {
    return Number.isInteger(value) && value >= INT32_MIN && value <= INT32_MAX
      ? undefined
      : `is ${showValue(value)}; a number must be an integer of 32 bits: write others as a string`
  }
  return `is ${showValue(value)}; an extension is a string, a boolean or an integer of 32 bits`
}

function nameCure(name: string): string {
  const cured = name.toLowerCase().replace(/[^a-z0-9]/g, '')
  return cured === '' ? '' : `, such as "${cured}"`
}

function characterProblem(value: string): string | undefined {
  const found = FORBIDDEN.exec(value)
  if (!found) return undefined
  const point = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return `is ${showValue(value)} and contains U+${point}; control characters, unpaired surrogates and noncharacters are not allowed`
}
