import type {
  CaptureOptions,
  EventMap,
  ExchangeRecord,
  Explanation,
  FlatProxyEvent,
  Flow,
  FlowFilter,
  Frame,
  MemoryPort,
  ShadowOptions,
  Stats,
  Tuple,
} from '../api.js'
import { FlatProxyError } from '../errors.js'
import type { Planned, Planner } from '../mesh/plan.js'
import { loadAddon, nativeError, type Addon, type EngineOptions, type NativeEngine, type Signal } from '../native.js'
import { EngineCapture } from './capture.js'
import { EventHub } from './event-hub.js'
import { answerOf } from './explain.js'
import { FlowReader, recordFilter } from './flow-record.js'
import { EnginePort } from './memory-port.js'
import { endpointText, Names } from './names.js'
import { EngineShadow, type Records, type ShadowSource } from './shadow.js'
import { questionOf } from './question.js'
import { StatsReader } from './stats-reader.js'

/** Flows of a page: as many as are read without holding the event loop for a millisecond. */
const pageSize = 512

/** A running engine in the words of the mesh: ids become names. */
export class Engine {
  private readonly names: Names
  private readonly statsReader: StatsReader
  private readonly hub: EventHub
  private readonly memoryPorts = new Map<number, EnginePort>()
  private readonly captures = new Set<EngineCapture>()
  private readonly shadows = new Set<EngineShadow>()
  private readonly eavesdroppers = new Set<Parameters<ShadowSource['listen']>[0]>()
  private lostEvents = 0
  private lostExchanges = 0
  private closed = false

  /** @param portLost told of each port that goes */
  static async open(
    options: EngineOptions,
    planner: Planner,
    plan: Planned,
    portLost: (port: string, reason: string) => void,
  ): Promise<Engine> {
    const addon = loadAddon()
    let engine: Engine | undefined
    try {
      const native = await addon.createEngine(options, plan.chunks, (signal) => engine?.signalled(signal))
      return (engine = new Engine(addon, native, options.cores, planner, portLost))
    } catch (error) {
      throw nativeError(error)
    }
  }

  private constructor(
    private readonly addon: Addon,
    private readonly native: NativeEngine,
    private readonly cores: readonly number[],
    private readonly planner: Planner,
    private readonly portLost: (port: string, reason: string) => void,
  ) {
    this.names = new Names(planner)
    this.statsReader = new StatsReader(addon, cores)
    this.hub = new EventHub({
      flow: (want) => this.closed || addon.wantEvents(native, want),
      exchange: (want) => this.closed || addon.wantExchanges(native, want),
    })
  }

  /** Puts a plan in force; gives the longest pause of a lane in microseconds. */
  async apply(plan: Planned): Promise<number> {
    try {
      return (await this.addon.apply(this.native, plan.chunks)) / 1_000
    } catch (error) {
      throw nativeError(error)
    }
  }

  /** After a plan was committed: memory ports that are gone end. */
  dropPorts(): void {
    const kept = new Set(this.planner.portIds.values())
    for (const [id, port] of this.memoryPorts) {
      if (kept.has(id)) continue
      this.memoryPorts.delete(id)
      port.end()
    }
  }

  stats(): Stats {
    this.assertOpen()
    const { generation, portIds, services, listenerIds, routeIds, policyIds } = this.planner
    const ports = Uint32Array.from(portIds.values())
    const serviceIds = Uint32Array.from(services.values(), ({ id }) => id)
    const listeners = Uint32Array.from(listenerIds.values())
    const routes = Uint32Array.from(routeIds.values())
    const endpoints = endpointsOf(services)
    const endpointIds = Uint32Array.from(endpoints, ([id]) => id)
    const policies = Uint32Array.from(policyIds.values())
    const counters = this.addon.stats(this.native, ports, serviceIds, listeners, routes, endpointIds, policies)
    return this.statsReader.read(counters, generation, {
      ports: [...portIds.keys()],
      services: [...services.keys()],
      listeners: [...listenerIds.keys()],
      routes: [...routeIds.keys()],
      endpoints: endpoints.map(([, service, endpoint]) => [service, endpoint] as const),
      policies: [...policyIds.keys()],
    })
  }

  async *flows(filter: FlowFilter): AsyncGenerator<Flow, void> {
    const { limit = Infinity, signal } = filter
    signal?.throwIfAborted()
    const service = filter.service === undefined ? undefined : this.planner.services.get(filter.service)?.id
    const passes = recordFilter(filter, this.planner.mesh!, service, this.addon)
    if (!passes || limit <= 0) return
    const refused = filter.verdict === 'drop' || filter.verdict === 'reject'
    let found = 0
    for (let lane = 0; lane < this.cores.length; lane++)
      for (let cursor = refused ? this.addon.deniedFlows : 0; cursor >= 0;) {
        const page = await this.page(lane, cursor)
        signal?.throwIfAborted()
        cursor = page.next
        for (const flow of this.reader(page.now).read(page.records, passes)) {
          yield flow
          signal?.throwIfAborted()
          if (++found >= limit) return
        }
      }
  }

  events<T extends keyof EventMap>(types: readonly T[], signal?: AbortSignal) {
    return this.hub.listen(types, signal)
  }

  capture(options: CaptureOptions): EngineCapture {
    const { addon, native, planner } = this
    const capture: EngineCapture = new EngineCapture(options, {
      addon,
      ports: planner.portIds,
      begin: (wanted) => {
        this.assertOpen()
        return addon.beginCapture(native, wanted)
      },
      end: (begun) => addon.endCapture(native, begun),
      over: () => this.captures.delete(capture),
    })
    this.captures.add(capture)
    return capture
  }

  /** @param plan see {@link ShadowSource.plan} */
  shadow(plan: ShadowSource['plan'], options?: ShadowOptions): EngineShadow {
    this.assertOpen()
    const { addon, native, planner, names } = this
    const shadow: EngineShadow = new EngineShadow(options, {
      addon,
      native,
      ids: planner,
      names,
      reader: (now) => this.reader(now),
      pages: () => this.allPages(),
      plan,
      listen: (heard) => this.eavesdrop(heard),
      over: () => this.shadows.delete(shadow),
    })
    this.shadows.add(shadow)
    return shadow
  }

  async explain(input: Tuple | Frame): Promise<Explanation> {
    this.assertOpen()
    const { addon, planner, names } = this
    const question = questionOf(input, planner.portIds)
    try {
      const said = await addon.explain(this.native, question)
      return answerOf(said, { input, question }, { addon, planner, names })
    } catch (error) {
      throw nativeError(error)
    }
  }

  memoryPort(name: string): MemoryPort {
    const id = this.planner.portIds.get(name)
    if (id === undefined) throw argument(`the mesh has no port ${JSON.stringify(name)}`)
    if (memoryType(this.planner.mesh!.ports[name]) !== 'memory') throw argument(`port ${name} is no memory port`)
    let port = this.memoryPorts.get(id)
    if (!port) {
      port = new EnginePort({ send: (frames) => this.send(id, frames), take: () => this.take(id) })
      this.memoryPorts.set(id, port)
    }
    return port
  }

  async reopenLog(): Promise<void> {
    this.assertOpen()
    try {
      await this.addon.reopenLog(this.native)
    } catch (error) {
      throw nativeError(error)
    }
  }

  ref(keep: boolean): void {
    if (!this.closed) this.addon.ref(this.native, keep)
  }

  /** Refuses new flows, and waits until those that run have ended; at most for so many milliseconds. */
  async drain(milliseconds: number, cut: Promise<void>): Promise<void> {
    this.addon.refuseNew(this.native, true)
    const end = performance.now() + milliseconds
    let done = false
    void cut.then(() => (done = true))
    for (let pause = 5; !done && !(await this.addon.drained(this.native)); pause = Math.min(2 * pause, 100)) {
      const left = end - performance.now()
      if (left <= 0) return
      await Promise.race([cut, wait(Math.min(pause, left))])
    }
  }

  async close(): Promise<void> {
    this.closed = true
    for (const shadow of this.shadows) shadow.finish()
    await Promise.all(Array.from(this.captures, (capture) => capture.finish()))
    await this.addon.close(this.native)
    this.hub.close()
    for (const port of this.memoryPorts.values()) port.end()
  }

  private async *allPages(): AsyncGenerator<Records, void> {
    for (const first of [0, this.addon.deniedFlows])
      for (let lane = 0; lane < this.cores.length; lane++)
        for (let cursor = first; cursor >= 0;) {
          const { records, next, now } = await this.page(lane, cursor)
          yield { records, now, areEvents: false }
          cursor = next
        }
  }

  private eavesdrop(heard: Parameters<ShadowSource['listen']>[0]): () => void {
    this.eavesdroppers.add(heard)
    const release = this.hub.hold('flow')
    return () => {
      this.eavesdroppers.delete(heard)
      release()
    }
  }

  private async page(lane: number, cursor: number) {
    this.assertOpen()
    try {
      return await this.addon.listFlows(this.native, lane, cursor, pageSize)
    } catch (error) {
      throw nativeError(error)
    }
  }

  private send(id: number, frames: readonly Uint8Array[]): number {
    this.assertOpen()
    if (this.memoryPorts.get(id) === undefined) throw closed('the port is gone')
    if (!Array.isArray(frames) || !frames.every((frame) => frame instanceof Uint8Array))
      throw argument('frames must be a list of Uint8Arrays')
    return this.addon.sendFrames(this.native, id, frames)
  }

  private take(id: number): Uint8Array[] {
    return this.closed ? [] : this.addon.takeFrames(this.native, id)
  }

  private assertOpen(): void {
    if (this.closed) throw closed('the proxy is closed')
  }

  private reader(now: number): FlowReader {
    return new FlowReader(this.names, this.addon, now)
  }

  private signalled(signal: Signal): void {
    if (this.closed) return
    for (const id of signal.readable) this.memoryPorts.get(id)?.wake()
    const at = Date.now()
    const lost = signal.lostEvents - this.lostEvents
    if (lost > 0) this.hub.lost('flow', lost)
    this.lostEvents = signal.lostEvents
    const heard = signal.events && { records: signal.events, now: signal.now, areEvents: true }
    if (heard || lost > 0) for (const hear of this.eavesdroppers) hear(heard, lost)
    if (signal.events && this.hub.wanted('flow')) this.hub.publish(this.flowEvents(signal.events, signal.now, at))
    if (signal.lostExchanges > this.lostExchanges) this.hub.lost('exchange', signal.lostExchanges - this.lostExchanges)
    this.lostExchanges = signal.lostExchanges
    if (signal.exchanges !== '' && this.hub.wanted('exchange')) this.hub.publish(exchangeEvents(signal.exchanges, at))
    for (const { port: id, up, reason } of signal.ports) {
      const port = this.names.port(id)
      this.hub.publish([up ? { type: 'port:up', at, port } : { type: 'port:down', at, port, reason }])
      if (!up) this.portLost(port, reason)
    }
  }

  private flowEvents(records: ArrayBuffer, now: number, at: number): FlatProxyEvent[] {
    return Array.from(this.reader(now).readEvents(records), (event) => ({ ...event, at }))
  }
}

/** From JSON lines. */
function exchangeEvents(lines: string, at: number): FlatProxyEvent[] {
  const records = JSON.parse(`[${lines.trimEnd().replaceAll('\n', ',')}]`) as ExchangeRecord[]
  return records.map((exchange) => ({ type: 'exchange:end', at, exchange }))
}

function endpointsOf(services: Planner['services']): (readonly [id: number, service: string, endpoint: string])[] {
  return Array.from(services).flatMap(([name, { entries }]) =>
    entries.flatMap(({ target: { addresses, source }, ids }) =>
      ids.map((id, index) => [id, name, endpointText(addresses[index]!, source.port)] as const),
    ),
  )
}

function memoryType(port: { type: string; port?: { type: string } } | undefined): string | undefined {
  return port?.type === 'fault' ? port.port?.type : port?.type
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function argument(message: string): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_ARGUMENT', message)
}

export function closed(message: string): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_CLOSED', message)
}
