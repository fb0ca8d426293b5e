import { readFileSync } from 'node:fs'
import { FlatProxyError } from '../errors.js'

/** Lanes of a proxy, at most: as many as the owner directory and the steering maps have room for. */
const maxLanes = 64

/** How many lanes of this thread's proxies are pinned to each core. */
const pinned = new Map<number, number>()

/**
 * The cores of the lanes, -1 for one that is not pinned. Of a number of lanes each gets a core of its own among those that
 * the process may use, and none is pinned where there are fewer cores than lanes. Give them back by {@link releaseCores}.
 *
 * @throws `ERR_FLATPROXY_ARGUMENT` for what is no number of lanes and no list of cores, `ERR_FLATPROXY_LANE` for a core
 *   that the process may not use
 */
export function takeCores(lanes: number | readonly number[] = 1): number[] {
  const cores = Array.isArray(lanes) ? checkCores(lanes as readonly unknown[]) : chooseCores(lanes)
  for (const core of cores) pinned.set(core, (pinned.get(core) ?? 0) + 1)
  return cores
}

export function releaseCores(cores: readonly number[]): void {
  for (const core of cores) pinned.set(core, pinned.get(core)! - 1)
}

function chooseCores(lanes: unknown): number[] {
  if (!Number.isInteger(lanes) || (lanes as number) < 1 || (lanes as number) > maxLanes)
    throw argument(`lanes must be a whole number from 1 to ${maxLanes}, or a list of cores`)
  const count = lanes as number
  const allowed = allowedCores()
  if (count > allowed.length) return Array<number>(count).fill(-1)
  // The least used first; of these the last, since interrupts and everything else like the first.
  const use = (core: number) => pinned.get(core) ?? 0
  return allowed.sort((a, b) => use(a) - use(b) || b - a).slice(0, count)
}

function checkCores(cores: readonly unknown[]): number[] {
  if (cores.length < 1 || cores.length > maxLanes) throw argument(`lanes must name 1 to ${maxLanes} cores`)
  if (!cores.every((core) => Number.isInteger(core) && (core as number) >= 0))
    throw argument('lanes must be a list of core numbers')
  if (new Set(cores).size !== cores.length) throw argument('lanes names a core twice')
  const allowed = allowedCores()
  for (const core of cores as number[])
    if (!allowed.includes(core))
      throw new FlatProxyError('ERR_FLATPROXY_LANE', `this process may not run on core ${core}`, {
        remedy: `Choose among ${allowed.join(', ')}, or give the process more cores (taskset, cpuset of the container).`,
      })
  return [...(cores as number[])]
}

/** The cores that the process may run on, ascending. */
function allowedCores(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?]
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

function argument(message: string): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_ARGUMENT', message)
}
