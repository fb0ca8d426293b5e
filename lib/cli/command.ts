import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Exit } from './exit.js'
import { UsageError } from './exit.js'
import { painter, type Paint } from './paint.js'

export type Options = NonNullable<ParseArgsConfig['options']>
export type Values = Record<string, string | boolean | undefined>

/** A command of `flatproxy`. */
export interface Command {
  readonly name: string
  /** Its arguments as `--help` writes them. */
  readonly usage: string
  /** One line. */
  readonly summary: string
  /** All about it: what it does, its options, examples. */
  readonly help: string
  readonly options: Options
  /** How many positional arguments it takes: so many, or from one number to another. */
  readonly positionals: number | readonly [least: number, most: number]
  run(values: Values, positionals: readonly string[]): Promise<Exit>
}

/** What a command line says to a command. */
export function parse(command: Command, args: readonly string[]): { values: Values; positionals: string[] } {
  const options: Options = { ...command.options, help: { type: 'boolean', short: 'h' } }
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    const [least, most] =
      typeof command.positionals === 'number' ? [command.positionals, command.positionals] : command.positionals
    if (!values['help'] && (positionals.length < least || positionals.length > most))
      throw new UsageError(`usage: flatproxy ${command.usage}`, command.name)
    return { values: values as Values, positionals }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError((error as Error).message.replace(/\. To specify .*$/s, ''), command.name)
  }
}

/** A whole number in a range, or undefined when it is not given. */
export function wholeNumber(
  values: Values,
  name: string,
  range: readonly [least: number, most: number],
  command: string,
) {
  const text = values[name]
  if (typeof text !== 'string') return undefined
  const [least, most] = range
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`--${name} is a whole number from ${least} to ${most}, not '${text}'`, command)
}

/** The value of an option that is one of some words, or undefined when it is not given. */
export function oneOf<T extends string>(
  values: Values,
  name: string,
  words: readonly T[],
  command: string,
): T | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  if (words.includes(text as T)) return text as T
  throw new UsageError(`--${name} is one of ${words.join(', ')}, not '${String(text)}'`, command)
}

export const paint: Paint = painter(process.stdout)

/** Writes lines to standard output. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
