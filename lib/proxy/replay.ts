import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { Flow, FlowFilter, Reason, Replayed, ReplayOptions } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { adoptMesh } from '../mesh/adopt.js'
import { quote } from '../mesh/names.js'
import { Planner } from '../mesh/plan.js'
import { isPlainObject } from '../mesh/tree.js'
import type { Mesh } from '../mesh/types.js'
import { loadAddon, nativeError, type Addon, type NativeReplay, type NativeReplayed } from '../native.js'
import { FlowReader, recordFilter } from './flow-record.js'
import { Names } from './names.js'
import { checkOptions } from './options.js'
import { checkRunnable, flowCapacityOf } from './runnable.js'

const optionNames = ['mesh', 'inputs', 'outputs', 'seed', 'snapped', 'onProgress', 'signal']
const progressInterval = 100
const pageSize = 1024

/**
 * Carries captures through the engine, as a proxy that has just been started with the mesh would: the same code, one
 * lane, and the captures' own time, as fast as it goes. Needs no privilege; no port is opened.
 *
 * A port's capture is what comes by it. Packets of all captures are carried in the order of their times. Whoever is sent
 * to is there: neighbours need not be asked for, endpoints are healthy. What a capture cannot do is answer flatproxy
 * itself: connections to a listener get no further than their handshake, and their packets end in `tcp_terminated`.
 *
 * Memory does not grow with the captures: flows that have ended are kept in a file without a name in `$TMPDIR`, about
 * 160 bytes each, until the result is collected as garbage.
 *
 * @throws {@link MeshError}, {@link UnsupportedError} as `start` does; `ERR_FLATPROXY_ARGUMENT` for ports that the mesh
 *   has not; `ERR_FLATPROXY_CAPTURE` for what is no Ethernet capture, is broken or holds a packet only in part, with the
 *   offset; `ERR_FLATPROXY_FILE`; `ERR_FLATPROXY_RESOURCE` where fragments hold all buffers; the reason of `signal`. Outputs are as they were before then.
 */
export async function replay(options: ReplayOptions): Promise<Replayed> {
  check(options)
  const { signal } = options
  signal?.throwIfAborted()
  const mesh = await adoptMesh(options.mesh, undefined, {})
  await checkRunnable(mesh, undefined)
  const addon = loadAddon()
  const planner = new Planner()
  const { chunks } = await planner.plan(withoutProbes(mesh))
  planner.commit()
  const outputs = Object.entries(options.outputs ?? {}).map(([name, path]) => ({
    port: portOf('outputs', name, planner),
    path,
  }))
  const inputs = openInputs(options.inputs, planner, addon)
  const running = addon.replay(chunks, {
    inputs: inputs.map(({ port, path, fd }) => ({ port, path, fd })),
    outputs,
    seed: options.seed ?? 0,
    flowCapacity: flowCapacityOf(mesh),
    fillSnapped: options.snapped === 'fill',
  })
  const said = await watch(running, inputs, options)
  return replayedOf(said, addon, planner)
}

/** A capture that the addon reads: by its path, or out of a pipe that is filled meanwhile. */
interface Input {
  readonly port: number
  readonly path: string
  /** -1: the path is opened. */
  readonly fd: number
  readonly source?: { readonly bytes: AsyncIterable<Uint8Array>; readonly into: Socket }
}

function openInputs(inputs: ReplayOptions['inputs'], planner: Planner, addon: Addon): Input[] {
  // Pipes are made when nothing can be refused any more.
  const named = Object.entries(inputs).map(([name, capture]) => ({
    port: portOf('inputs', name, planner),
    name,
    capture: capture instanceof URL ? fileURLToPath(capture) : capture,
  }))
  return named.map(({ port, name, capture }) => {
    if (typeof capture === 'string') return { port, path: capture, fd: -1 }
    const [readable, writable] = addon.pipe()
    return {
      port,
      path: `of ${name}`,
      fd: readable,
      source: { bytes: capture, into: new Socket({ fd: writable, readable: false, writable: true }) },
    }
  })
}

/** Fills the pipes, and tells how far it is, until the replay has ended. */
async function watch(running: NativeReplay, inputs: readonly Input[], options: ReplayOptions): Promise<NativeReplayed> {
  const { signal, onProgress } = options
  const stop = new AbortController()
  const failures: unknown[] = []
  const abort = () => running.cancel()
  const fills = inputs.flatMap(({ source }) =>
    source ? [pipeline(Readable.from(source.bytes), source.into, { signal: stop.signal })] : [],
  )
  // Who reads no further has closed the pipe: he says why.
  for (const fill of fills)
    fill.catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || stop.signal.aborted) return
      failures.push(error)
      running.cancel()
    })
  const tell = () => {
    const [packets, bytes] = running.progress()
    onProgress?.({ packets, bytes })
  }
  const timer = onProgress && setInterval(tell, progressInterval)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  try {
    const said = await running.done
    if (onProgress) tell()
    return said
  } catch (error) {
    signal?.throwIfAborted()
    throw failures.length > 0 ? failures[0] : nativeError(error)
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
    stop.abort()
    await Promise.allSettled(fills)
  }
}

function replayedOf(said: NativeReplayed, addon: Addon, planner: Planner): Replayed {
  const { packets, snapped, flowCount, endedAt } = said
  const reasons = addon.reasons.flatMap(({ name }, index) =>
    said.reasons[index]! > 0 ? [[name, said.reasons[index]!] as const] : [],
  )
  const policies = (planner.mesh!.policies ?? []).map(
    ({ name }, place) => [name, { packets: said.policies[2 * place]!, flows: said.policies[2 * place + 1]! }] as const,
  )
  const reader = new FlowReader(new Names(planner), addon, said.now, () => endedAt)
  return {
    packets,
    snapped,
    reasons: Object.fromEntries(reasons) as Record<Reason, number>,
    policies: Object.fromEntries(policies),
    flowCount,
    flows: (filter) => flowsOf(said, addon, planner, reader, filter),
  }
}

async function* flowsOf(
  { flows, flowCount }: NativeReplayed,
  addon: Addon,
  planner: Planner,
  reader: FlowReader,
  filter: FlowFilter = {},
): AsyncGenerator<Flow, undefined> {
  const { limit = Infinity, signal, service } = filter
  const serviceId = service === undefined ? undefined : planner.services.get(service)?.id
  const passes = recordFilter(filter, planner.mesh!, serviceId, addon)
  if (!passes) return
  let left = limit
  for (let first = 0; first < flowCount; first += pageSize) {
    signal?.throwIfAborted()
    for (const flow of reader.read(addon.replayedFlows(flows, first, pageSize), passes)) {
      if (left-- <= 0) return
      yield flow
    }
    await new Promise(setImmediate)
  }
}

/** Endpoints are probed by packets that nobody in a capture answers. */
function withoutProbes(mesh: Mesh): Mesh {
  const services = Object.entries(mesh.services ?? {}).map(([name, service]) => {
    const unprobed = { ...service }
    delete unprobed.healthCheck
    return [name, unprobed] as const
  })
  return { ...mesh, ...(mesh.services && { services: Object.fromEntries(services) }) }
}

function portOf(key: string, name: string, { portIds }: Planner): number {
  const id = portIds.get(name)
  if (id !== undefined) return id
  refuse(`${key}.${name}: the mesh has no port ${quote(name)}`, `Its ports are ${[...portIds.keys()].join(', ')}.`)
}

function check(options: ReplayOptions): void {
  if (!isPlainObject(options)) refuse('the options of replay() must be an object', 'Give { mesh, inputs }.')
  checkOptions(options, optionNames, 'replay')
  const {
    inputs,
    outputs = {},
    seed = 0,
    snapped = 'refuse',
    onProgress = () => {},
  } = options as Partial<Record<keyof ReplayOptions, unknown>>
  if (!isPlainObject(inputs) || Object.keys(inputs).length === 0)
    refuse('inputs: there is no capture', "Give one for a port at least: { uplink: 'monday.pcapng' }.")
  for (const [name, capture] of Object.entries(inputs))
    if (typeof capture !== 'string' && !isFileUrl(capture) && !isAsyncIterable(capture))
      refuse(`inputs.${name}: this is no capture`, 'Give a path, a file: URL, or an async iterable of its bytes.')
  if (!isPlainObject(outputs) || !Object.values(outputs).every((path) => typeof path === 'string' && path !== ''))
    refuse('outputs: not every port has a path', "Give paths: { shop: 'shop.pcapng' }.")
  if (!Number.isSafeInteger(seed) || (seed as number) < 0) refuse('seed is no whole number', 'Give one from 0 on.')
  if (snapped !== 'refuse' && snapped !== 'fill') refuse('snapped is unknown', "Give 'refuse' or 'fill'.")
  if (typeof onProgress !== 'function') refuse('onProgress is no function', 'Give a function, or leave it out.')
}

const isFileUrl = (value: unknown) => value instanceof URL && value.protocol === 'file:'
const isAsyncIterable = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function'

function refuse(message: string, remedy: string): never {
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', message, { remedy })
}
