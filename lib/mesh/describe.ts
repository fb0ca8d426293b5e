import { formatDuration } from './duration.js'
import { formats, type FormatName } from './formats.js'
import { choose, format, type Choice, type ifEmpty, type keys } from './kit.js'
import { quote, show } from './names.js'

/** A schema as it is read at run time: the JSON Schema that kit.ts writes, and what it puts beside it. */
export interface Node {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly description?: string
  readonly default?: unknown
  readonly const?: string
  readonly enum?: readonly (string | number)[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Node
  readonly properties?: { readonly [_: string]: Node }
  readonly patternProperties?: { readonly [_: string]: Node }
  readonly required?: readonly string[]
  readonly anyOf?: readonly Node[]
  readonly [format]?: FormatName | 'duration'
  readonly [choose]?: Choice
  readonly [keys]?: FormatName
  readonly [ifEmpty]?: string
}

/** What a schema asks for, in words. */
export function describe(schema: Node): string {
  const { anyOf, minimum, maximum } = schema
  const kind = schema[format]
  const choice = schema[choose]
  if (kind === 'duration') {
    const [least, most] = [anyOf![0]!.minimum!, anyOf![0]!.maximum!].map(formatDuration)
    return `a duration from ${least} to ${most}, such as 500 (milliseconds), '500ms' or '2s'`
  }
  if (kind) return formats[kind].expected
  if (choice === 'list') return `${describe(anyOf![0]!)}, or a list`
  if (choice === 'object') return `${describe(anyOf![0]!)}, or ${describe(anyOf![1]!)}`
  if (choice && 'keys' in choice) return `an object with one of ${choice.keys.map(quote).join(', ')}`
  if (choice) return `an object with ${quote(choice.tag)}`
  if (schema.const !== undefined) return quote(schema.const)
  if (schema.enum) return (schema.enum.length > 1 ? 'one of ' : '') + schema.enum.map(show).join(', ')
  switch (schema.type) {
    case 'integer':
      return `a whole number from ${minimum} to ${maximum}`
    case 'number':
      return `a number from ${minimum} to ${maximum}`
    case 'boolean':
      return 'true or false'
    case 'array':
      if (schema.maxItems) return `a list of at most ${schema.maxItems}`
      return schema.minItems ? `a list of at least ${schema.minItems}` : 'a list'
    case 'string':
      return schema.pattern ? `a text like ${schema.pattern}` : 'a text'
    default:
      return 'an object'
  }
}
