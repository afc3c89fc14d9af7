import type { Comparison, RecordFilter } from '../record/record-source.ts'

type Columns = Required<RecordFilter>

/** Whether a member is declared with `?`, so that its type has `undefined` in it though none is written. */
type IsOptional<Type, Name extends keyof Type> = Record<never, never> extends Pick<Type, Name> ? true : false

/** Never for a condition that may be `undefined`, and for a name that is not in `Known`. */
type DefinedMember<Type, Name extends keyof Type, Known> = Name extends Known
  ? IsOptional<Type, Name> extends true
    ? Type[Name]
    : undefined extends Type[Name]
      ? never
      : Type[Name] extends Comparable
        ? Type[Name]
        : { readonly [Operator in keyof Type[Name]]: DefinedMember<Type[Name], Operator, keyof Comparison<unknown>> }
  : never

type Comparable = string | number | boolean | bigint | Date | null | readonly unknown[]

/**
 * A filter none of whose conditions may be `undefined`: `strict` alone lets `{ createdAt: { lt: undefined } }` pass for
 * an optional member, and a condition that silently falls away makes the filter mean more than was said.
 */
export type Defined<Filter> = Filter extends string | readonly string[] | { readonly all: true }
  ? Filter
  : { readonly [Name in keyof Filter]: DefinedMember<Filter, Name, keyof Columns> }
