import { FlatProxyError } from '../errors.js'
import { parseDuration } from '../mesh/duration.js'
import { isPlainObject } from '../mesh/tree.js'

/** Checks what callers in plain JavaScript may get wrong. Each throws `ERR_FLATPROXY_ARGUMENT`. */

function refuse(message: string): never {
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', message)
}

/** Options that have these keys at most. */
export function checkOptions(options: unknown, keys: readonly string[], of: string): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) refuse(`the options of ${of}() must be an object`)
  for (const key of Object.keys(options)) if (!keys.includes(key)) refuse(`${of}() has no option ${key}`)
  const { signal, ifGeneration } = options as { signal?: unknown; ifGeneration?: unknown }
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal must be an AbortSignal')
  if (ifGeneration !== undefined && !Number.isSafeInteger(ifGeneration)) refuse('ifGeneration must be a whole number')
}

/** What `start` takes beside the mesh and the lanes. */
export function checkStart({ poll, control }: { poll?: unknown; control?: unknown }): void {
  if (poll !== undefined && poll !== 'adaptive' && poll !== 'busy') refuse("poll must be 'adaptive' or 'busy'")
  if (control !== undefined && control !== false && (typeof control !== 'string' || control === ''))
    refuse('control must be the path of a socket, or false')
}

/**
 * Exactly the handlers and hooks that the mesh uses may be given. A mesh that uses any is refused already, since routes
 * are not built yet.
 */
export function checkFunctions(options: { handlers?: unknown; hooks?: unknown } | undefined): void {
  for (const key of ['handlers', 'hooks'] as const) {
    const given = options?.[key]
    if (given === undefined) continue
    if (!isPlainObject(given)) refuse(`${key} must be an object`)
    for (const name of Object.keys(given)) refuse(`the mesh uses no ${key.slice(0, -1)} ${JSON.stringify(name)}`)
  }
}

/** Milliseconds. */
export function checkDrain(options: { drain?: unknown } | undefined): number {
  checkOptions(options, ['drain'], 'close')
  const drain = parseDuration(options?.drain ?? 0)
  return drain ?? refuse("drain must be a duration such as '10s'")
}

/** Which events are listened to. */
export function checkEventTypes(types: unknown): void {
  const known = [
    'flow:open',
    'flow:close',
    'flow:denied',
    'flow:logged',
    'flow:alarm',
    'exchange:end',
    'port:up',
    'port:down',
  ]
  if (!Array.isArray(types) || types.length === 0 || !types.every((type) => known.includes(type as string)))
    refuse(`types must be a list of ${known.join(', ')}`)
}
