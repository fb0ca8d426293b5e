import type { Field } from './field.js'

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** Milliseconds of a duration of the Gateway API (GEP-2257), such as `1m30s`. */
export function readDuration(holder: Field | undefined, key: string): number | undefined {
  const text = holder?.text(key)
  if (text === undefined) return undefined
  if (!/^([0-9]{1,5}(h|m|s|ms)){1,4}$/.test(text)) {
    holder!.get(key)!.refuse(`${text} is no duration of the Gateway API`)
    return undefined
  }
  const parts = text.match(/[0-9]+[a-z]+/g)!.map((part) => /^([0-9]+)([a-z]+)$/.exec(part)!)
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0)
}
