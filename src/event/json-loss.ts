import { types } from 'node:util'

/** What JSON writes as `null` or `{}`, and what to give in its place. */
function lossOf(value: unknown): string | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `is ${value}, which JSON writes as null; give a number, null or a text`
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (types.isDate(value)) {
    return Number.isNaN(value.getTime())
      ? 'is an invalid Date, which JSON writes as null; give a valid one, or null'
      : undefined
  }
  // It chooses itself what is written.
  if (hasToJson(value)) return undefined
  if (types.isMap(value)) return 'is a Map, which JSON writes as {}; give Object.fromEntries(map), or [...map]'
  if (types.isSet(value)) return 'is a Set, which JSON writes as {}; give [...set]'
  if (types.isNativeError(value)) return 'is an Error, which JSON writes as {}; give its message'
  if (types.isPromise(value)) return 'is a Promise, which JSON writes as {}; await it'
  if (types.isRegExp(value)) return 'is a RegExp, which JSON writes as {}; give its source'
  const name = builtInName(value)
  return name && `is a ${name}, which JSON writes as {}; give what is in it`
}

/** What an object calls itself that JSON finds nothing in: a Blob, a WeakMap, an ArrayBuffer. An object of a class has no such name. */
function builtInName(value: object): string | undefined {
  if (Array.isArray(value) || ArrayBuffer.isView(value) || types.isBoxedPrimitive(value)) return undefined
  if (Object.keys(value).length > 0) return undefined
  const name = Object.prototype.toString.call(value).slice('[object '.length, -1)
  return name === 'Object' || name === 'Arguments' ? undefined : name
}

/**
 * The first value of the data that is lost in `text`, its JSON: where it is (`.lines[2].price`) and what to give
 * instead. Only text with a `null` or `{}` in it can have lost one, so most data is not walked.
 */
export function lostInJson(
  data: unknown,
  text: string,
): { readonly path: string; readonly message: string } | undefined {
  if (!text.includes('null') && !text.includes('{}')) return undefined
  const open: (readonly [path: string, value: unknown])[] = [['', data]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [path, value] = next
    const message = lossOf(value)
    if (message !== undefined) return { path, message }
    if (typeof value !== 'object' || value === null || hasToJson(value) || ArrayBuffer.isView(value)) continue
    const inner = Array.isArray(value)
      ? value.map((each: unknown, n) => [`${path}[${n}]`, each] as const)
      : Object.entries(value).map(([name, each]) => [memberPath(path, name), each] as const)
    // From the last to the first, so that the first is looked at next.
    for (const each of inner.toReversed()) open.push(each)
  }
  return undefined
}

function memberPath(path: string, name: string): string {
  return /^[\p{L}_$][\p{L}\d_$]*$/u.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`
}

function hasToJson(value: object): boolean {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}
