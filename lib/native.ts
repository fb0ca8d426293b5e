import { join } from 'node:path'
import { FlatProxyError } from './errors.js'

/** The newest glibc whose symbols the prebuilt addon uses. */
const glibcFloor = '2.34'
const architectures: readonly string[] = ['x64', 'arm64']

/** A running engine, known to the addon alone. */
export interface NativeEngine {
  readonly native: unique symbol
}

/** What an engine is made with. */
export interface EngineOptions {
  /** A lane for each; -1: not pinned. */
  readonly cores: readonly number[]
  /** Lanes spin instead of sleeping. */
  readonly busy: boolean
  /** Flows of each lane; fixed for the engine's life. */
  readonly flowCapacity: number
}

/** What happened since the last signal. */
export interface Signal {
  /** Flow events, each of {@link recordBytes}. */
  readonly events: ArrayBuffer | undefined
  /** Flow events that found no room, since the engine's start. */
  readonly lostEvents: number
  /** Exchanges that have ended, as JSON lines. */
  readonly exchanges: string
  /** Exchanges that found no room, since the engine's start. */
  readonly lostExchanges: number
  /** The lanes' clock, in milliseconds modulo 2^32. */
  readonly now: number
  /** Memory ports that have something to take again. */
  readonly readable: readonly number[]
  /** Ports that went, or came back. */
  readonly ports: readonly { readonly port: number; readonly up: boolean; readonly reason: string }[]
}

/** Flows of one lane. */
export interface FlowPage {
  /** Flow records, each of {@link recordBytes}. */
  readonly records: ArrayBuffer
  /** Where the next page begins; -1: there is none. */
  readonly next: number
  /** The lanes' clock, in milliseconds modulo 2^32. */
  readonly now: number
}

/** The first packet of a flow, well-formed: a TCP SYN, a UDP datagram, an ICMP echo request. */
export interface FirstPacket {
  /** The id of the port that it comes by; 65535: the node's own stack. */
  readonly port: number
  readonly protocol: number
  /** Addresses of one family. */
  readonly source: string
  readonly destination: string
  /** Of an echo both are its identifier. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** Of RoCEv2: the place of its opcode's class in `roceClasses`; -1: it is none. */
  readonly opcode: number
  readonly qp: number
  /** The id of its VLAN tag; 0: it has none. */
  readonly vlan: number
  /** The head of the HTTP request that comes behind it, as it is sent. */
  readonly request?: string
}

/** A frame that comes by a port. */
export interface FrameAsked {
  readonly port: number
  readonly frame: Uint8Array
}

/** What can be read of a frame. */
export interface NativeFrame {
  /** `bytes`: not even its MACs. */
  readonly kind: 'bytes' | 'ethernet' | 'arp' | 'ip'
  /** Of `ip` addresses, of `arp` and `ethernet` MACs, of `bytes` empty. */
  readonly source: string
  readonly destination: string
  /** Of `ip`. */
  readonly protocol: number
  readonly hasPorts: boolean
  readonly sourcePort: number
  readonly destinationPort: number
  /** As of {@link FirstPacket}. */
  readonly opcode: number
  readonly qp: number
  /** Of an IP packet: the id of its VLAN tag; 0: it has none. */
  readonly vlan: number
}

/** A step of an explanation; native/lane/explain.h says what `id`, `at` and `via` are of which step. */
export interface NativeStep {
  readonly step: string
  readonly id: number | null
  readonly at: string
  readonly via: string
}

/** What becomes of a packet, by ids; a policy by its place, a reason by its place in {@link Addon.reasons}. */
export interface NativeExplanation {
  readonly reason: number
  readonly policy: number | null
  readonly service: number | null
  readonly endpoint: number | null
  readonly listener: number | null
  /** 256 and above: the node's own stack. */
  readonly exit: number | null
  readonly steps: readonly NativeStep[]
}

/** The same of what was asked; `frame`: what it is, if it was one. */
export interface NativeAnswer extends NativeExplanation {
  readonly frame: NativeFrame | null
}

/** A compiled filter, and a capture of a running engine, known to the addon alone. */
export interface NativeFilter {
  readonly native: unique symbol
}
export interface NativeCapture {
  readonly native: unique symbol
}

/** What is captured. */
export interface NativeCaptureOptions {
  readonly filter: NativeFilter | undefined
  /** Bit n: packets that end in verdict n of {@link Addon.verdicts}. */
  readonly verdicts: number
  readonly snapLength: number
  readonly limit: number
  /** Names; none: all. */
  readonly ports: readonly string[]
}

/** Live flows under a mesh that is not in force, known to the addon alone. */
export interface NativeShadow {
  readonly native: unique symbol
}

/** Flows that fare otherwise under that mesh. */
export interface NativeShadowed {
  /** The mesh in force is another one than the shadow was planned beside: nothing was judged. */
  readonly stale: boolean
  /** Flows that were judged so far. */
  readonly judged: number
  /** By their place among the records. */
  readonly differences: readonly { flow: number; now: NativeExplanation; then: NativeExplanation }[]
}

/** The flows of a replay, known to the addon alone. */
export interface NativeFlows {
  readonly native: unique symbol
}

/** What a replay is made with; ports are ids. */
export interface NativeReplayOptions {
  /** A file descriptor becomes the addon's; -1: the path is opened. */
  readonly inputs: readonly { readonly port: number; readonly path: string; readonly fd: number }[]
  readonly outputs: readonly { readonly port: number; readonly path: string }[]
  readonly seed: number
  readonly flowCapacity: number
  readonly fillSnapped: boolean
}

/** A replay under way. */
export interface NativeReplay {
  readonly done: Promise<NativeReplayed>
  cancel(): void
  progress(): [packets: number, bytes: number]
}

/** What a replay came to. */
export interface NativeReplayed {
  readonly packets: number
  readonly snapped: number
  readonly flowCount: number
  /** The last packet's time, in milliseconds since 1970, and as records tell it, modulo 2^32. */
  readonly endedAt: number
  readonly now: number
  /** Packets, by a reason's place in {@link Addon.reasons}. */
  readonly reasons: Float64Array
  /** Packets and flows in turn, by a policy's place. */
  readonly policies: Float64Array
  readonly flows: NativeFlows
}

/** Bytes of a flow record; flow-record.ts reads it. */
export const recordBytes = 248

/**
 * The addon. It speaks of ports, services and endpoints by the ids of a plan. Errors carry `code` and `remedy`. What
 * returns a promise is done on a thread of the engine's own, in call order; the rest takes microseconds.
 */
export interface Addon {
  /** The version of DPDK. */
  dpdkVersion(): string
  /** Removes what a dead process left on an interface: a block, filters, pins. Gives how many there were. */
  unblock(name: string): number
  /** Why a text is no regular expression of an HTTP route (RE2's syntax); null: it is one. */
  checkRegex(text: string): string | null
  /** Every way that a packet may end, in the order of the counters of {@link Addon.stats}. */
  readonly reasons: readonly { readonly name: string; readonly verdict: string }[]
  /** How packets end, in words. */
  readonly verdicts: readonly string[]
  /** The cursor from which on flows that were refused of late are listed, instead of those that run. */
  readonly deniedFlows: number
  /** The states of flows, in the order of the records' numbers. */
  readonly states: readonly string[]
  /** Names of the counters of a listener, and of TCP, in the order of {@link Addon.stats}. */
  readonly listenerCounters: readonly string[]
  /** Those of a policy that goes on, likewise. */
  readonly policyCounters: readonly string[]
  /** Why connections over TLS do not end in order, in the order of the counters. */
  readonly tlsFailures: readonly string[]
  /** How exchanges end, and what messages are refused for, likewise. */
  readonly httpOutcomes: readonly string[]
  readonly httpRefusals: readonly string[]
  readonly tcpCounters: readonly string[]
  /** Opens the plan's ports and starts the lanes. */
  createEngine(
    options: EngineOptions,
    plan: readonly Uint8Array[],
    onSignal: (signal: Signal) => void,
  ): Promise<NativeEngine>
  /** Puts a plan in force; gives the longest pause of a lane in nanoseconds of its CPU time. */
  apply(engine: NativeEngine, plan: readonly Uint8Array[]): Promise<number>
  /**
   * Counters: lost events; by lane busy nanoseconds, flows, flow capacity; by reason packets, bytes; the counters of
   * TCP; of the access log lines written, lost; by given port received, sent; by given service packets, bytes, new flows,
   * active flows; by given listener its counters; by given route, then by given endpoint: requests, and unless there were
   * none active, retries, failures, bytes up, bytes down, responses by class, nanoseconds of all durations, and a number
   * of buckets of durations with for each the microseconds at which it ends, and how many it holds; by given policy its
   * counters.
   */
  stats(
    engine: NativeEngine,
    ports: Uint32Array,
    services: Uint32Array,
    listeners: Uint32Array,
    routes: Uint32Array,
    endpoints: Uint32Array,
    policies: Uint32Array,
  ): Float64Array
  listFlows(engine: NativeEngine, lane: number, cursor: number, limit: number): Promise<FlowPage>
  /** What becomes of a packet now; nothing changes. */
  explain(engine: NativeEngine, asked: FirstPacket | FrameAsked): Promise<NativeAnswer>
  /** The same in an engine that has just been made with a whole plan; no port is opened. */
  explainPlan(plan: readonly Uint8Array[], asked: FirstPacket | FrameAsked): Promise<NativeAnswer>
  /** A shadow of a plan that builds on what is in force; no port is opened. Flow events are wanted already. */
  beginShadow(engine: NativeEngine, plan: readonly Uint8Array[]): Promise<NativeShadow>
  /** Plans it beside what is in force now. */
  replaceShadow(engine: NativeEngine, shadow: NativeShadow, plan: readonly Uint8Array[]): Promise<void>
  /** Judges flow records, each once: of {@link Addon.listFlows}, or of events. */
  judgeShadow(
    engine: NativeEngine,
    shadow: NativeShadow,
    records: ArrayBuffer,
    areEvents: boolean,
  ): Promise<NativeShadowed>
  /** Carries captures through a lane of their own, under a whole plan. */
  replay(plan: readonly Uint8Array[], options: NativeReplayOptions): NativeReplay
  /** Records of a replay's flows, from one on. */
  replayedFlows(flows: NativeFlows, first: number, count: number): ArrayBuffer
  /** A pipe's two ends, which are the caller's: one to read from, one to write to. */
  pipe(): [readable: number, writable: number]
  /** Compiles a filter in tcpdump's language, by libpcap. */
  compileFilter(text: string): Promise<NativeFilter>
  /** Every lane captures when it resolves. */
  beginCapture(engine: NativeEngine, options: NativeCaptureOptions): Promise<NativeCapture>
  /** What has come, as pcapng, up to about so many bytes. */
  readCapture(capture: NativeCapture, limit: number): Uint8Array
  /** What was read so far, what was lost, and whether there are as many as are wanted. */
  captured(capture: NativeCapture): { packets: number; lost: number; full: boolean }
  /** No lane captures for it any more when it resolves. To be read to its end, it needs no engine. */
  endCapture(engine: NativeEngine, capture: NativeCapture): Promise<void>
  /** The end of what was read, after {@link Addon.endCapture}; nothing else may be asked of it afterwards. */
  finishCapture(capture: NativeCapture): Uint8Array
  /** Whether flow events come by signals. */
  wantEvents(engine: NativeEngine, want: boolean): void
  /** Whether exchanges come by signals. */
  wantExchanges(engine: NativeEngine, want: boolean): void
  /** Goes on in whatever is at the access log's path now. */
  reopenLog(engine: NativeEngine): Promise<void>
  /** Sends frames into a memory port; gives how many of the first ones it took. */
  sendFrames(engine: NativeEngine, port: number, frames: readonly Uint8Array[]): number
  /** Takes what a memory port has sent, a bounded batch; none: a signal will tell when there is something. */
  takeFrames(engine: NativeEngine, port: number): Uint8Array[]
  refuseNew(engine: NativeEngine, refuse: boolean): void
  /** Whether every flow through a service has ended. */
  drained(engine: NativeEngine): Promise<boolean>
  /** Whether the engine keeps the process alive. */
  ref(engine: NativeEngine, keep: boolean): void
  /** Stops the lanes and removes the ports. */
  close(engine: NativeEngine): Promise<void>
}

let loaded: Addon | undefined

/**
 * Loads the addon, the first time.
 *
 * @throws `ERR_FLATPROXY_PLATFORM` where it cannot run, `ERR_FLATPROXY_NATIVE` where it is not there
 */
export function loadAddon(): Addon {
  return (loaded ??= load())
}

let missing = false

/**
 * Why an expression is none of RE2's; `undefined`: it is one, or the addon, which has RE2, is not here. The first
 * expression loads it.
 */
export function checkRegex(text: string): string | undefined {
  if (missing) return undefined
  try {
    return loadAddon().checkRegex(text) ?? undefined
  } catch {
    missing = true
    return undefined
  }
}

function load(): Addon {
  const { platform, arch } = process
  if (platform !== 'linux') throw unsuited(`flatproxy's native part runs on Linux, not on ${platform}`)
  if (!architectures.includes(arch)) throw unsuited(`flatproxy's native part is not built for ${arch}`)
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- nothing native is touched before it is needed
    const find = require('node-gyp-build') as (folder: string) => Addon
    return find(join(__dirname, '..'))
  } catch (error) {
    throw failed(error as Error)
  }
}

function failed(cause: Error): FlatProxyError {
  const { glibcVersionRuntime: glibc } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } })
    .header
  if (glibc === undefined)
    return unsuited(`flatproxy's native part needs glibc ${glibcFloor} or newer; this is another C library`, cause)
  if (olderThan(glibc, glibcFloor))
    return unsuited(`flatproxy's native part needs glibc ${glibcFloor} or newer; this is ${glibc}`, cause)
  return new FlatProxyError('ERR_FLATPROXY_NATIVE', `the native addon cannot be loaded: ${cause.message}`, {
    remedy:
      'Reinstall the package on this platform (the prebuilt addon needs Linux on ' +
      `${architectures.join(' or ')} and glibc ${glibcFloor} or newer), or build the addon with \`npm run build\`.`,
    cause,
  })
}

function unsuited(message: string, cause?: Error): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_PLATFORM', message, cause && { cause })
}

function olderThan(version: string, floor: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [floorMajor = 0, floorMinor = 0] = floor.split('.').map(Number)
  return major < floorMajor || (major === floorMajor && minor < floorMinor)
}

/** Gives the addon's errors their class. */
export function nativeError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FlatProxyError) return error
  const { code, remedy, message } = error as Error & { code?: unknown; remedy?: unknown }
  if (typeof code !== 'string' || !code.startsWith('ERR_FLATPROXY_')) return error
  const details = typeof remedy === 'string' && remedy !== '' ? { remedy, cause: error } : { cause: error }
  return new FlatProxyError(code as `ERR_FLATPROXY_${string}`, message, details)
}
