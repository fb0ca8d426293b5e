import type { EventMap, Flow, FlowFilter, RoceCounts } from '../api.js'
import type { Mesh } from '../mesh/types.js'
import { formatAddress, parseAddress } from '../mesh/address.js'
import { listOf } from '../mesh/view.js'
import { recordBytes, type Addon, type FirstPacket } from '../native.js'
import { roceClasses } from '../roce.js'
import { endpointText, type Names } from './names.js'

/**
 * Where the addon (native/addon/flow_bytes.h) puts what, little-endian. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d;
 * times are milliseconds of the lanes' clock.
 */
// prettier-ignore
const at = {
  packets: 0, bytes: 8, source: 16, destination: 32, endpoint: 48,
  sourcePort: 64, destinationPort: 66, endpointPort: 68, ingress: 70,
  serviceId: 72, endpointId: 76, policy: 80, generation: 84, openedAt: 88,
  protocol: 96, state: 98, translated: 99, kind: 100, reason: 102,
  roce: 103, qp: 104, log: 108, retransmitted: 112, naks: 120, classes: 128,
  zone: 240,
} as const
const none = 0xffffffff
/** What of a zone is a VLAN's id. */
const vlanMask = 0x7fff
/** Of the addon's kinds of events; the end of a flow that was refused is nobody's. */
const eventTypes = [
  'flow:open',
  'flow:close',
  'flow:denied',
  undefined,
  'flow:logged',
  'flow:alarm',
  'flow:alarm',
] as const
const cnpAlarm = 6
type FlowEventType = NonNullable<(typeof eventTypes)[number]>
type FlowEvent = { [T in FlowEventType]: { type: T } & EventMap[T] }[FlowEventType]
const protocols: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' }

/** Reads the addon's flow records. */
export class FlowReader {
  private readonly clock: number

  /**
   * @param now the lanes' clock at this time
   * @param time what time it is, in milliseconds since 1970
   */
  constructor(
    private readonly names: Names,
    private readonly addon: Pick<Addon, 'states' | 'reasons'>,
    now: number,
    private readonly time: () => number = Date.now,
  ) {
    this.clock = now
  }

  /** The flows of a buffer that pass the filter. */
  *read(records: ArrayBuffer, filter: RecordFilter): Generator<Flow> {
    const view = new DataView(records)
    const time = this.time()
    for (let offset = 0; offset < view.byteLength; offset += recordBytes)
      if (filter(view, offset)) yield this.flow(view, offset, time)
  }

  /** The flow of a record, or event, by its place in a buffer. */
  flowAt(records: ArrayBuffer, place: number): Flow {
    return this.flow(new DataView(records), place * recordBytes, this.time())
  }

  /** A packet of its client's. */
  packetAt(records: ArrayBuffer, place: number): FirstPacket {
    const view = new DataView(records)
    const offset = place * recordBytes
    return {
      port: view.getUint16(offset + at.ingress, true),
      protocol: view.getUint8(offset + at.protocol),
      source: address(view, offset + at.source),
      destination: address(view, offset + at.destination),
      sourcePort: view.getUint16(offset + at.sourcePort, true),
      destinationPort: view.getUint16(offset + at.destinationPort, true),
      opcode: isRoce(view, offset) ? 0 : -1,
      qp: view.getUint32(offset + at.qp, true),
      vlan: vlanOf(view, offset),
    }
  }

  /** Flow events of a buffer. */
  *readEvents(records: ArrayBuffer): Generator<FlowEvent> {
    const view = new DataView(records)
    const time = this.time()
    for (let offset = 0; offset < view.byteLength; offset += recordBytes) {
      const type = eventTypes[view.getUint8(offset + at.kind)]
      if (!type) continue
      const flow = this.flow(view, offset, time)
      if (type === 'flow:logged') yield { type, flow, ...this.logged(view, offset) }
      else if (type === 'flow:alarm')
        yield { type, flow, kind: view.getUint8(offset + at.kind) === cnpAlarm ? 'cnp' : 'nak' }
      else yield { type, flow }
    }
  }

  /** Which policy logs a flow, and whose it is. */
  private logged(view: DataView, offset: number): Omit<EventMap['flow:logged'], 'flow'> {
    const number = (field: number) => view.getUint32(offset + field, true)
    const translated = view.getUint8(offset + at.translated) === 1
    const sender = this.names.workload(address(view, offset + at.source))
    const receiver = this.names.workload(address(view, offset + (translated ? at.endpoint : at.destination)))
    return {
      policy: this.names.policy(number(at.generation), number(at.log)) ?? '',
      ...(sender !== undefined && { sender }),
      ...(receiver !== undefined && { receiver }),
    }
  }

  private flow(view: DataView, offset: number, time: number): Flow {
    const port = (field: number) => view.getUint16(offset + field, true)
    const id = (field: number) => view.getUint32(offset + field, true)
    const end = (host: number, portField: number) => endpointText(address(view, offset + host), port(portField))
    const roce = isRoce(view, offset)
    const translated = view.getUint8(offset + at.translated) === 1
    const reason = this.addon.reasons[view.getUint8(offset + at.reason)]!
    const service = id(at.serviceId) === none ? undefined : this.names.service(id(at.serviceId))
    const endpoint = translated
      ? (this.names.endpoint(id(at.serviceId), id(at.endpointId)) ?? end(at.endpoint, at.endpointPort))
      : undefined
    const vlan = vlanOf(view, offset)
    const policy = id(at.policy) === none ? undefined : this.names.policy(id(at.generation), id(at.policy))
    return {
      on: this.names.port(port(at.ingress)),
      protocol: protocolOf(view, offset),
      from: roce ? address(view, offset + at.source) : end(at.source, at.sourcePort),
      to: roce ? address(view, offset + at.destination) : end(at.destination, at.destinationPort),
      ...(service !== undefined && { service }),
      ...(endpoint !== undefined && { endpoint }),
      ...(policy !== undefined && { policy }),
      verdict: reason.verdict,
      reason: reason.name,
      tier: 'lane',
      packets: view.getFloat64(offset + at.packets, true),
      bytes: view.getFloat64(offset + at.bytes, true),
      state: this.state(view, offset, reason),
      openedAt: time - ((this.clock - id(at.openedAt)) >>> 0),
      ...(vlan !== 0 && { vlan }),
      ...(roce && { qp: id(at.qp) }),
      ...(roce && !isRefused(reason) && { roce: roceCounts(view, offset) }),
    }
  }

  private state(view: DataView, offset: number, reason: { readonly verdict: string }): string {
    if (isRefused(reason)) return 'refused'
    return isRoce(view, offset) ? 'roce' : (this.addon.states[view.getUint8(offset + at.state)] ?? 'unknown')
  }
}

const vlanOf = (view: DataView, offset: number) => view.getUint16(offset + at.zone, true) & vlanMask

const isRoce = (view: DataView, offset: number) => view.getUint8(offset + at.roce) === 1

function protocolOf(view: DataView, offset: number): string {
  const number = view.getUint8(offset + at.protocol)
  return isRoce(view, offset) ? 'roce' : (protocols[number] ?? String(number))
}

function roceCounts(view: DataView, offset: number): RoceCounts {
  const number = (field: number) => view.getFloat64(offset + field, true)
  return {
    classes: Object.fromEntries(
      roceClasses.map((name, index) => {
        const place = at.classes + 16 * index
        return [name, { packets: number(place), bytes: number(place + 8) }]
      }),
    ) as RoceCounts['classes'],
    retransmitted: number(at.retransmitted),
    naks: number(at.naks),
  }
}

const isRefused = ({ verdict }: { readonly verdict: string }) => verdict === 'drop' || verdict === 'reject'

function address(view: DataView, offset: number): string {
  const v4 = view.getUint32(offset + 8) === 0xffff && view.getUint32(offset) === 0 && view.getUint32(offset + 4) === 0
  if (v4) {
    const byte = (index: number) => view.getUint8(offset + 12 + index)
    return `${byte(0)}.${byte(1)}.${byte(2)}.${byte(3)}`
  }
  return formatAddress({ family: 6, bytes: new Uint8Array(view.buffer, view.byteOffset + offset, 16) })
}

type RecordFilter = (view: DataView, offset: number) => boolean

/** A filter over records, which need not become flows to be refused; `undefined`: nothing can pass. */
export function recordFilter(
  filter: FlowFilter,
  mesh: Mesh,
  serviceId: number | undefined,
  { reasons }: Pick<Addon, 'reasons'>,
): RecordFilter | undefined {
  const { service, workload, protocol, tier, verdict } = filter
  if (tier !== undefined && tier !== 'lane') return undefined
  const tests: RecordFilter[] = []
  if (verdict !== undefined)
    tests.push((view, offset) => reasons[view.getUint8(offset + at.reason)]!.verdict === verdict)
  if (service !== undefined) {
    if (serviceId === undefined) return undefined
    tests.push((view, offset) => view.getUint32(offset + at.serviceId, true) === serviceId)
  }
  if (protocol !== undefined) tests.push((view, offset) => protocolOf(view, offset) === protocol)
  if (workload !== undefined) tests.push(ofWorkload(mesh, workload))
  return (view, offset) => tests.every((test) => test(view, offset))
}

/** Flows from a workload, or to it, by itself or through a service. */
function ofWorkload(mesh: Mesh, workload: string): RecordFilter {
  const named = Object.hasOwn(mesh.workloads ?? {}, workload) ? mesh.workloads![workload] : undefined
  const own = new Set(listOf(named?.addresses).map((text) => formatAddress(parseAddress(text)!)))
  return (view, offset) =>
    own.has(address(view, offset + at.source)) ||
    own.has(address(view, offset + at.destination)) ||
    (view.getUint8(offset + at.translated) === 1 && own.has(address(view, offset + at.endpoint)))
}
