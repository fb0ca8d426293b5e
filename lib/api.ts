import type { Change } from './mesh/diff.js'
import type { Duration } from './mesh/duration.js'
import type { Mesh } from './mesh/types.js'
import type { ExchangeRecord, Stats } from './api-stats.js'
import type { RoceClass } from './roce.js'

export type * from './api-stats.js'

/** Who carries a packet or answers a request: the NIC, the kernel, a lane, L7 on a lane, or JavaScript. */
export type Tier = 'nic' | 'kernel' | 'lane' | 'l7' | 'js'

/** Why a packet or request ended as it did. */
export type Reason =
  'policy_denied' | 'policy_default_deny' | 'spoofed_source' | 'no_route' | 'handler_timeout' | (string & {})

/** The peer that opened a flow. */
export interface Client {
  address: string
  port: number
  /** The port of the mesh that it came from. */
  on: string
  workload?: string
  identity?: string
}

/** What a handler is given beside the request. */
export interface Context<S extends string> {
  /** The name of the route that led here. */
  route: string
  client: Client
  /** Asks a service of the mesh, through flatproxy's own balancing and connections. */
  fetch(service: S, request: Request): Promise<Response>
}

/** Answers the requests that a rule's `backendRefs` sends to it. */
export type Handler<S extends string = string> = (request: Request, context: Context<S>) => Response | Promise<Response>

/** A request without its body. */
export interface Head {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly client: Client
}

/** What a hook decides: go on (with changed headers), answer at once, or send to another service. */
export type HookResult<S extends string> =
  | { action: 'continue'; set?: Record<string, string>; remove?: string[] }
  | { action: 'respond'; status: number; headers?: Record<string, string>; body?: string | Uint8Array }
  | { action: 'route'; service: S }

/** Decides about a request before it goes to its backend. */
export type Hook<S extends string = string> = (
  head: Head,
  options: { signal: AbortSignal },
) => HookResult<S> | Promise<HookResult<S>>

/** Exactly the names that the mesh uses; any names when they are wide; none when it uses none. */
type Named<Key extends string, N extends string, F> = [N] extends [never]
  ? { [_ in Key]?: Record<string, never> }
  : string extends N
    ? { [_ in Key]?: Record<string, F> }
    : { [_ in Key]: { [_ in N]: F } }

/** The handlers and hooks that a mesh names. */
export type Functions<S extends string, H extends string, K extends string> = Named<'handlers', H, Handler<S>> &
  Named<'hooks', K, Hook<S>>

/** How a proxy is started. */
export type StartOptions<S extends string, H extends string, K extends string> = {
  mesh: Mesh<S, H, K>
  /** The number of lanes, or the cores they are pinned to. Default: 1. */
  lanes?: number | readonly number[]
  /** `'adaptive'` (default) sleeps when there is no work; `'busy'` spins. */
  poll?: 'adaptive' | 'busy'
  /** The path of the Unix socket for {@link View} clients; only its owner may open it. Default: none. */
  control?: string | false
  /** Aborting it closes the proxy. */
  signal?: AbortSignal
} & Functions<NoInfer<S>, NoInfer<H>, NoInfer<K>>

/**
 * The packet that {@link View.explain} is asked about, the first one of a flow: a TCP SYN, a UDP datagram, an ICMP echo
 * request, a packet of RoCEv2. Addresses as `address:port` or `[v6]:port`; of ICMP the address alone, or with the echo's
 * identifier as port; of RoCEv2 the address alone.
 */
export interface Tuple {
  /** The port of the mesh that it comes in by; `'host'`: it comes from the node's own stack. */
  on: string
  protocol: 'tcp' | 'udp' | 'icmp' | 'roce'
  from: string
  to: string
  /** Of RoCEv2: the destination's queue pair. Default: 0. */
  qp?: number
  /** Of RoCEv2: the class of its opcode. Default: `'send'`. */
  opcode?: RoceClass
  /** The id of the VLAN that it is tagged for, 1 to 4094. Default: 0, it has no tag. */
  vlan?: number
  /**
   * The request that comes over the connection, for a listener of protocol http: said is also which route, rule and match it
   * is for, and where it leads. Default of `method`: GET, of `path`: `/`, of `host`: as in `to`. Without it nothing is said
   * of requests.
   */
  http?: { method?: string; host?: string; path?: string; headers?: Record<string, string> }
}

/** A whole Ethernet frame, without its frame check sequence, that {@link View.explain} is asked about. */
export interface Frame {
  /** The port of the mesh that it comes in by; `'host'`: it comes from the node's own stack. */
  on: string
  /** 1 to 65,553 bytes. */
  frame: Uint8Array
}

/**
 * What happens to a packet, and why: that which is in force decides it. Room in tables and queues, and whether neighbours
 * answer, is not looked at; of an `iface` without `own` that is not open, its addresses are not known, and a step says so.
 */
export interface Explanation {
  /** `'terminate'`: it ends at this node: at a listener, or answered by it (an echo to one of its addresses). */
  verdict: 'forward' | 'drop' | 'reject' | 'terminate'
  /** As the packet is counted; `left_to_kernel`: an `iface` with `take: 'matched'` does not take it. */
  reason: Reason
  /** `'l7'`: a listener of protocol http takes it. */
  tier: Tier
  /** The one that decides, by which it passes or not; none: no policy is about it, or it is `policyDefault`'s. */
  policy?: string
  service?: string
  /** The workload's name, or `address:port`. */
  endpoint?: string
  /** The port that it leaves by; `'host'`: the node's own stack. */
  exit?: string
  /** In the order in which it is treated, up to what ends it. */
  steps: readonly { stage: string; object: string; outcome: string; why: string }[]
  /** The explanation in words. */
  toString(): string
}

/** A flow of the flow table; `openedAt` in milliseconds since 1970. */
export interface Flow {
  on: string
  protocol: string
  from: string
  to: string
  service?: string
  endpoint?: string
  /** The policy that allows it at present: the receiver's, else the sender's; absent: none speaks of it. */
  policy?: string
  verdict: string
  reason: Reason
  tier: Tier
  packets: number
  bytes: number
  state: string
  openedAt: number
  /** Between joined ports: the id of the VLAN that its packets are tagged for; absent: they have no tag. */
  vlan?: number
  /** Of RoCEv2, whose flows are one-way and have no ports: the destination's queue pair. */
  qp?: number
  /** Of RoCEv2; not of flows that were refused. */
  roce?: RoceCounts
}

/** What is counted of RoCEv2. */
export interface RoceCounts {
  /** By class of opcode: requests and responses of reads are one; NAKs are acknowledges. Bytes are of IP packets. */
  classes: Record<RoceClass, { packets: number; bytes: number }>
  /** Packets whose sequence number had been sent before, of reliable connections. */
  retransmitted: number
  /** Among the acknowledges; "receiver not ready" as well. */
  naks: number
}

/** Which flows are listed. */
export interface FlowFilter {
  service?: string
  workload?: string
  protocol?: string
  tier?: Tier
  /** `drop` and `reject`: those that were refused within the last half minute, which are not listed otherwise. */
  verdict?: string
  /** The most flows that are listed. */
  limit?: number
  signal?: AbortSignal
}

/** What {@link View.events} tells, by type. */
export interface EventMap {
  'flow:open': { flow: Flow }
  'flow:close': { flow: Flow }
  'flow:denied': { flow: Flow }
  /**
   * `policy` logs it; `flow` says what becomes of it, and by which policy. `sender` and `receiver` are the workloads of
   * its ends, of a service the endpoint's.
   */
  'flow:logged': { flow: Flow; policy: string; sender?: string; receiver?: string }
  /**
   * A flow of RoCEv2 had as many NAKs, or congestion notifications, within a second as `flows.roce` of the mesh says. Once
   * in each second. Both go against the data: what `flow.to` sends is lost, or meets congestion.
   */
  'flow:alarm': { flow: Flow; kind: 'nak' | 'cnp' }
  'exchange:end': { exchange: ExchangeRecord }
  'port:up': { port: string }
  'port:down': { port: string; reason: string }
}

/** An event; `at` in milliseconds since 1970. */
export type FlatProxyEvent<T extends keyof EventMap = keyof EventMap> = {
  [K in T]: { type: K; at: number } & EventMap[K]
}[T]

/** Which packets of a running proxy are captured. */
export interface CaptureOptions {
  /**
   * In tcpdump's language (pcap-filter(7)), over packets as they come in. libpcap compiles it, which is loaded then and
   * must be installed. Default: all
   */
  filter?: string
  /** Those that end so: one of `forward`, `answer`, `terminate`, `drop`, `reject`. Default: all */
  verdict?: string
  /** Names of ports that packets come by. Default: all */
  ports?: readonly string[]
  /** Bytes of each packet, from 1 to 262,144, at most. Default: 262,144, which is whole packets */
  snapLength?: number
  /** Ends after so long. Default: never */
  duration?: Duration
  /** Ends after so many packets. Default: never */
  limit?: number
  /** Ends it: the iterator rejects with the signal's reason. */
  signal?: AbortSignal
}

/**
 * Packets as pcapng: an interface for each port, and with each packet how it ended, in its comment. The first part comes
 * as soon as packets are captured.
 */
export interface PacketCapture extends AsyncIterableIterator<Uint8Array> {
  /** Packets that were given out so far. */
  readonly packets: number
  /** Packets that were wanted and are missing so far, for want of room: whoever takes them is too slow. */
  readonly lost: number
}

/** A running proxy as it is seen: by the process that started it, or by a client of its control socket. */
export interface View extends AsyncDisposable {
  /** The counters, summed over lanes and tiers. */
  stats(options?: { signal?: AbortSignal }): Promise<Stats>
  /** The flows in the table, in no order. */
  flows(filter?: FlowFilter): AsyncIterableIterator<Flow>
  /** Events in batches; `lost` counts those that were dropped since the last batch. */
  events<T extends keyof EventMap>(options: {
    types: readonly T[]
    signal?: AbortSignal
  }): AsyncIterableIterator<{ events: FlatProxyEvent<T>[]; lost: number }>
  /**
   * What would happen to a packet now; nothing changes by it. One that belongs to a flow that runs goes its way. Of a frame
   * all of it counts that counts when it comes by a port: its MACs and VLAN, lengths and checksums, hops that are left, its
   * size, TCP's flags and sequence numbers. A frame that is a well-formed first packet is told as its tuple is.
   */
  explain(input: Tuple | Frame): Promise<Explanation>
  /**
   * Packets from now on, as pcapng, each with its verdict. A proxy has at most four captures at once. Who is too slow loses
   * packets; the proxy never waits.
   */
  capture(options?: CaptureOptions): PacketCapture
  /** Closes; with `drain`, running flows may go on for at most that long. */
  close(options?: { drain?: Duration }): Promise<void>
}

/** A merge patch (RFC 7396): what is given replaces, `null` removes, lists are replaced whole. */
export type Patch<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Patch<T[K]> | null } : T

/** A mesh was applied. */
export interface Applied {
  generation: number
  changes: readonly Change[]
  /** The longest time that a lane was held by it, in microseconds of its own CPU time. */
  longestPauseMicroseconds: number
}

/** For how long live flows are judged by another mesh. */
export interface ShadowOptions {
  /** Ends after so long; what has come by then is still told. Default: never */
  duration?: Duration
  /** Ends it: the iterator rejects with the signal's reason. */
  signal?: AbortSignal
}

/** A flow that would fare otherwise under another mesh. */
export interface Shadowed {
  /** As it is: its packets so far; of one that was refused, the reason. */
  flow: Flow
  /** What becomes of its client's packets by the mesh in force. */
  now: Explanation
  /** What would, by the other one. */
  then: Explanation
}

/** The flows that would fare otherwise, each once. */
export interface FlowShadow extends AsyncIterableIterator<Shadowed> {
  /** Flows that were judged so far, most of which fare the same. */
  readonly judged: number
  /** Events of flows that are missing so far, for want of room: they came faster than they were taken. */
  readonly lost: number
}

/** How a mesh is applied. */
export interface ApplyOptions {
  /** Rejects with `ERR_FLATPROXY_CONFLICT` unless this is the generation in force. */
  ifGeneration?: number
  handlers?: Record<string, Handler>
  hooks?: Record<string, Hook>
  signal?: AbortSignal
}

/** The process's end of a `memory` port. */
export interface MemoryPort extends AsyncIterable<Uint8Array[]> {
  /** Sends frames into the proxy; gives how many the queue took. */
  send(frames: readonly Uint8Array[]): number
}

/** What a replay came to. Packets are those on the wire: large frames count as what they are cut into. */
export interface Replayed {
  packets: number
  /** Packets that a capture holds only in part, with `snapped: 'fill'`. */
  snapped: number
  /** How packets ended, those included that flatproxy would send itself (`originated`). */
  reasons: Record<Reason, number>
  /**
   * All policies, with the packets and flows that one allows or refuses; of one that logs, limits or mirrors,
   * the flows that it matches, and the packets that it drops, or copies.
   */
  policies: Record<string, { packets: number; flows: number }>
  /**
   * Flows that were carried or refused. One that was quiet for longer than its timeout counts anew, and so may one that
   * is refused while thousands are.
   */
  flowCount: number
  /** Those flows, in the order in which they ended; as often as one likes. */
  flows(filter?: FlowFilter): AsyncIterableIterator<Flow>
}

/** What is replayed. */
export interface ReplayOptions {
  mesh: Mesh
  /**
   * For each port, by its name, the capture of what comes by it: pcap or pcapng, as a path, a `file:` URL or its bytes.
   * Of a file that is compressed: `createReadStream(path).pipe(createGunzip())`.
   */
  inputs: Record<string, string | URL | AsyncIterable<Uint8Array>>
  /** For ports, paths of captures to write with what leaves by them: pcapng where the path ends so, else pcap. */
  outputs?: Record<string, string>
  /** Of all that is random otherwise. Default: 0 */
  seed?: number
  /**
   * What becomes of packets that a capture holds only in part (`tcpdump -s`): they are refused, or zeros stand for what is
   * missing, if 82 bytes at least are there: the headers. Default: `'refuse'`
   */
  snapped?: 'refuse' | 'fill'
  /** Told ten times a second how far it is. */
  onProgress?: (progress: { packets: number; bytes: number }) => void
  /** Ends it; the promise rejects with the signal's reason. */
  signal?: AbortSignal
}

/** The versions of flatproxy and of what its native part is built from; `null` where it is not loaded or not there. */
export interface Versions {
  readonly flatproxy: string
  readonly dpdk: string | null
  readonly openssl: string | null
}

/** What this machine can carry. */
export interface Diagnosis {
  supported: boolean
  checks: readonly { name: string; ok: boolean; detail: string; remedy?: string }[]
}
