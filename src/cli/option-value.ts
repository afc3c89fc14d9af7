import { suggestion } from '../suggestion.ts'
import { UsageError } from './exit-codes.ts'
import type { OptionSpec } from './option-table.ts'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads the values that were given for an option; `label` names it in errors. Throws `UsageError`. */
export function readOption(spec: OptionSpec, given: readonly string[], label: string, now: () => Date): unknown {
  if (spec.kind === 'list') return given.flatMap((text) => text.split(',')).filter((text) => text !== '')
  const text = given.at(-1)
  if (spec.kind === 'flag') return text !== undefined && !['', '0', 'false', 'no'].includes(text)
  if (text === undefined) return undefined
  switch (spec.kind) {
    case 'text':
      return text
    case 'choice': {
      if (spec.choices.includes(text)) return text
      const hint = suggestion(text, spec.choices) || `; give one of ${spec.choices.join(', ')}`
      throw new UsageError(`${label} is ${text}${hint}`)
    }
    case 'integer': {
      const { min, max = Number.MAX_SAFE_INTEGER } = spec
      const value = Number(text)
      if (/^-?\d+$/.test(text) && value >= min && value <= max) return value
      const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`
      throw new UsageError(`${label} is ${text}; give a whole number, ${range}`)
    }
    case 'duration': {
      const value = parseDuration(text)
      if (value !== undefined) return value
      throw new UsageError(`${label} is ${text}; give seconds, or a number with a unit: 250ms, 5s, 10m, 2h, 7d`)
    }
    case 'instant': {
      const ago = parseDuration(text)
      const at = ago === undefined ? new Date(text) : new Date(now().getTime() - ago)
      if (!Number.isNaN(at.getTime())) return at
      throw new UsageError(`${label} is ${text}; give a date such as 2026-01-31T12:00:00Z, or how long ago, such as 2h`)
    }
  }
}

function parseDuration(text: string): number | undefined {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  return number === undefined ? undefined : Math.round(Number(number) * (UNITS[unit] ?? 1))
}
