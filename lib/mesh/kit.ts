import {
  Type,
  type Static,
  type TArray,
  type TBoolean,
  type TLiteral,
  type TObject,
  type TOptional,
  type TProperties,
  type TSchema,
  type TUnsafe,
} from '@sinclair/typebox'
import { durationPattern, type Duration } from './duration.js'
import { formats, type FormatName } from './formats.js'

/**
 * The words that the mesh's schema is written in. Each gives a TypeBox schema, so a static type and JSON Schema; what
 * JSON Schema cannot say, or could only say badly, stands under symbols, which the run-time check reads (walk.ts).
 */

/** The exact check of a text: a name in {@link formats}, or a duration. */
export const format: unique symbol = Symbol('flatproxy.format')
/** How the member of a union that a value means is told. */
export const choose: unique symbol = Symbol('flatproxy.choose')
/** The name, in {@link formats}, of what an object's keys are. */
export const keys: unique symbol = Symbol('flatproxy.keys')
/** What somebody is told whose list is empty, where leaving it out would mean something. */
export const ifEmpty: unique symbol = Symbol('flatproxy.ifEmpty')

/** By the value of one key; by which key of several is there; by whether it is a list, or an object. */
export type Choice = { readonly tag: string } | { readonly keys: readonly string[] } | 'list' | 'object'

/** What may be said of any value. */
export interface About {
  description?: string
  default?: unknown
}

/** What may be said of a list. */
interface AboutList extends About {
  minItems?: number
  maxItems?: number
  [ifEmpty]?: string
}

interface Range extends About {
  minimum: number
  maximum: number
}

/** An object with exactly these keys. */
export function object<T extends TProperties>(properties: T, about: About = {}): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, ...about })
}

/** A read-only list. */
export function list<T extends TSchema>(items: T, about: AboutList = {}): TUnsafe<readonly Static<T>[]> {
  return Type.Unsafe<readonly Static<T>[]>(Type.Array(items, about))
}

/** One value, or a list of them, which has at least one. */
export function oneOrMany<T extends TSchema>(
  item: T,
  { [ifEmpty]: hint, ...about }: About & { [ifEmpty]?: string } = {},
): TUnsafe<Static<T> | readonly Static<T>[]> {
  const many: TArray<T> = Type.Array(item, { minItems: 1, ...(hint !== undefined && { [ifEmpty]: hint }) })
  return Type.Unsafe<Static<T> | readonly Static<T>[]>({ anyOf: [item, many], [choose]: 'list', ...about })
}

/** An object from names, or keys of another format, to values. */
export function named<T extends TSchema>(
  values: T,
  about: About = {},
  key: FormatName = 'name',
): TUnsafe<Record<string, Static<T>>> {
  const { pattern } = formats[key]
  const schema = { type: 'object', patternProperties: { [pattern]: values }, additionalProperties: false, [keys]: key }
  return Type.Unsafe<Record<string, Static<T>>>({ ...schema, ...about })
}

/** An object from any keys to texts. */
export function texts(about: About = {}): TUnsafe<Record<string, string>> {
  return Type.Unsafe<Record<string, string>>({ type: 'object', patternProperties: { '': Type.String() }, ...about })
}

/** A text of one of {@link formats}. */
export function text<T extends string = string>(
  name: FormatName,
  about: About & { maxLength?: number } = {},
): TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'string', pattern: formats[name].pattern, [format]: name, ...about })
}

/** One of some words. */
export function word<const T extends string>(words: readonly T[], about: About = {}): TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'string', enum: words, ...about })
}

/** One of some numbers. */
export function number<const T extends number>(numbers: readonly T[], about: About = {}): TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'integer', enum: numbers, ...about })
}

/** A word or a number, or an object in place of it. */
export function wordOr<T extends TSchema, U extends TSchema>(
  simple: T,
  rich: U,
  about: About = {},
): TUnsafe<Static<T> | Static<U>> {
  return Type.Unsafe<Static<T> | Static<U>>({ anyOf: [simple, rich], [choose]: 'object', ...about })
}

/** A whole number in a range. */
export function whole(range: Range): TUnsafe<number> {
  return Type.Unsafe<number>({ type: 'integer', ...range })
}

/** A probability. */
export function rate(description: string, value = 0): TUnsafe<number> {
  return Type.Unsafe<number>({ type: 'number', minimum: 0, maximum: 1, default: value, description })
}

/** A duration in a range; `minimum` and `maximum` in milliseconds. */
export function duration({ minimum, maximum, ...about }: Range): TUnsafe<Duration> {
  const anyOf = [
    { type: 'number', minimum, maximum },
    { type: 'string', pattern: durationPattern },
  ]
  return Type.Unsafe<Duration>({ anyOf, [format]: 'duration', ...about })
}

/** Objects that one key tells apart. */
export function tagged<T extends TObject[]>(
  tag: string,
  members: [...T],
  about: About = {},
): TUnsafe<Static<T[number]>> {
  return Type.Unsafe<Static<T[number]>>({ anyOf: members, [choose]: { tag }, ...about })
}

/** Objects that are told apart by which one of `keys` they have. */
export function either<T extends TObject[]>(
  keys: readonly string[],
  members: [...T],
  about: About = {},
): TUnsafe<Static<T[number]>> {
  return Type.Unsafe<Static<T[number]>>({ anyOf: members, [choose]: { keys }, ...about })
}

/** A key that may be left out. */
export function optional<T extends TSchema>(schema: T): TOptional<T> {
  return Type.Optional(schema) as TOptional<T>
}

/** One word, which tells kinds of objects apart. */
export function literal<T extends string>(value: T): TLiteral<T> {
  return Type.Literal(value)
}

/** True or false. */
export function boolean(about: About): TBoolean {
  return Type.Boolean(about)
}

export type { Static, TSchema }
