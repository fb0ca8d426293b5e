import { UsageError } from './exit.js'

/** The bytes that an option gives in hexadecimal; spaces and colons between them are passed over. */
export function hexBytes(option: string, text: string, command: string): Uint8Array {
  const wrong = /[^0-9a-fA-F\s:]/.exec(text)
  if (wrong)
    throw new UsageError(`--${option}: '${wrong[0]}', character ${wrong.index + 1}, is no hexadecimal digit`, command)
  const digits = text.replace(/[\s:]/g, '')
  if (digits.length % 2 !== 0)
    throw new UsageError(`--${option}: it ends inside a byte, after ${digits.length} digits`, command)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}
