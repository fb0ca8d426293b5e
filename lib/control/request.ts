import type { CaptureOptions, EventMap, FlowFilter, Frame, Tuple } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { parseDuration, type Duration } from '../mesh/duration.js'
import type { Tree } from '../mesh/tree.js'

/** What a client asks for, checked: it may be another program than ours. */

const texts = ['service', 'workload', 'protocol', 'tier', 'verdict'] as const
const types: Record<keyof EventMap, true> = {
  'flow:open': true,
  'flow:close': true,
  'flow:denied': true,
  'flow:logged': true,
  'flow:alarm': true,
  'exchange:end': true,
  'port:up': true,
  'port:down': true,
}

function refuse(what: string): never {
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', what)
}

function only(params: Tree, keys: readonly string[]): void {
  for (const key of Object.keys(params)) if (!keys.includes(key)) refuse(`no such option: ${key}`)
}

function optionalText(params: Tree, key: string): Record<string, string> {
  const value = params[key]
  if (value === undefined) return {}
  return typeof value === 'string' ? { [key]: value } : refuse(`${key} is not a text`)
}

function optionalCount(params: Tree, key: string): Record<string, number> {
  const value = params[key]
  if (value === undefined) return {}
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? { [key]: value as number }
    : refuse(`${key} is not a whole number`)
}

/** The filter of `flows`. */
export function filterOf(params: Tree): FlowFilter {
  only(params, [...texts, 'limit'])
  return Object.assign(
    {},
    ...texts.map((key) => optionalText(params, key)),
    optionalCount(params, 'limit'),
  ) as FlowFilter
}

/** The types of `events`. */
export function eventTypesOf(params: Tree): readonly (keyof EventMap)[] {
  only(params, ['types'])
  const list = params['types']
  if (
    !Array.isArray(list) ||
    list.length === 0 ||
    !list.every((type) => typeof type === 'string' && Object.hasOwn(types, type))
  )
    refuse(`types is not a list of ${Object.keys(types).join(', ')}`)
  return list as (keyof EventMap)[]
}

/** The options of `capture`. */
export function captureOf(params: Tree): CaptureOptions {
  only(params, ['filter', 'verdict', 'ports', 'snapLength', 'duration', 'limit'])
  const { duration, ports } = params
  if (duration !== undefined && parseDuration(duration) === undefined) refuse('duration is not a duration')
  if (ports !== undefined && !(Array.isArray(ports) && ports.every((port) => typeof port === 'string')))
    refuse('ports is not a list of texts')
  return {
    ...optionalText(params, 'filter'),
    ...optionalText(params, 'verdict'),
    ...(ports !== undefined && { ports: ports }),
    ...optionalCount(params, 'snapLength'),
    ...optionalCount(params, 'limit'),
    ...(duration !== undefined && { duration: duration as Duration }),
  }
}

/** What `explain` is asked about: a tuple, which the view checks, or a frame in base64. */
export function packetOf(params: Tree): Tuple | Frame {
  const { frame } = params
  if (frame === undefined) return params as unknown as Tuple
  if (typeof frame !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(frame)) refuse('frame is not in base64')
  return { ...params, frame: Buffer.from(frame, 'base64') } as unknown as Frame
}
