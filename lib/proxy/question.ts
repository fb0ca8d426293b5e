import type { Frame, Tuple } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { formatAddress, parseAddress, type Address } from '../mesh/address.js'
import { quote } from '../mesh/names.js'
import { isPlainObject } from '../mesh/tree.js'
import { lastQueuePair, lastVlan } from '../mesh/schema/policies.js'
import type { FirstPacket, FrameAsked } from '../native.js'
import { roceClasses, rocePort, type RoceClass } from '../roce.js'

/** The id by which the addon knows the node's own stack, where it is no port of the mesh. */
export const nodeStack = 0xffff

/** Bytes of the largest frame that a port takes: the largest packet in a tagged frame. */
const largestFrame = 14 + 4 + 65_535

const requestKeys = ['method', 'host', 'path', 'headers']
const keys = ['on', 'protocol', 'from', 'to', 'qp', 'opcode', 'vlan', 'http']
/** The number of each protocol, over IPv4 and IPv6. */
export const numbers: Readonly<Record<Tuple['protocol'], readonly [v4: number, v6: number]>> = {
  tcp: [6, 6],
  udp: [17, 17],
  icmp: [1, 58],
  roce: [17, 17],
}
type Protocol = keyof typeof numbers

/**
 * What `explain` is asked about, as the addon takes it.
 *
 * @param ports the ids of the mesh's ports, by name
 * @throws `ERR_FLATPROXY_ARGUMENT`, with the path of what is wrong
 */
export function questionOf(input: unknown, ports: ReadonlyMap<string, number>): FirstPacket | FrameAsked {
  if (!isPlainObject(input)) refuse('', 'it is no object', 'Give { on, protocol, from, to } or { on, frame }.')
  return 'frame' in input ? frameOf(input, ports) : packetOf(input, ports)
}

function frameOf(input: Partial<Record<keyof Frame, unknown>>, ports: ReadonlyMap<string, number>): FrameAsked {
  for (const key of Object.keys(input))
    if (key !== 'on' && key !== 'frame')
      refuse(key, 'it does not go with a frame', 'Leave it out: a frame says all but the port that it comes by.')
  const { on, frame } = input
  if (!(frame instanceof Uint8Array)) refuse('frame', 'it is no Uint8Array', 'Give the bytes of an Ethernet frame.')
  if (frame.length === 0 || frame.length > largestFrame)
    refuse('frame', `it has ${frame.length} bytes`, `A frame has 1 to ${largestFrame}, without its checksum.`)
  // A copy: whoever asks may change his.
  return { port: portOf(on, ports), frame: Uint8Array.from(frame) }
}

function packetOf(input: Partial<Record<keyof Tuple, unknown>>, ports: ReadonlyMap<string, number>): FirstPacket {
  for (const key of Object.keys(input))
    if (!keys.includes(key)) refuse(key, 'there is no such key', `The keys are ${keys.join(', ')}.`)
  const { on, protocol, from, to } = input
  if (!isProtocol(protocol))
    refuse('protocol', `${quote(String(protocol))} is no protocol`, 'It is tcp, udp, icmp or roce.')
  const source = endOf('from', from, protocol)
  const destination = endOf('to', to, protocol)
  const { family } = source.address
  if (family !== destination.address.family)
    refuse('to', 'it is of another IP version than `from`', 'Give two addresses of one version.')
  return {
    port: portOf(on, ports),
    protocol: numbers[protocol][family === 4 ? 0 : 1],
    source: formatAddress(source.address),
    destination: formatAddress(destination.address),
    sourcePort: source.port,
    // Of an echo both are its identifier.
    destinationPort: protocol === 'icmp' ? source.port : destination.port,
    ...roceOf(input, protocol),
    vlan: vlanOf(input.vlan),
    ...requestOf(input.http, protocol, typeof to === 'string' ? to : ''),
  }
}

/** The head of a request; what may be no part of one the listener's parser refuses. */
function requestOf(http: unknown, protocol: Protocol, to: string): { request: string } | undefined {
  if (http === undefined) return undefined
  if (protocol !== 'tcp') refuse('http', 'it is of tcp alone', 'Ask with protocol tcp, or leave it out.')
  if (!isPlainObject(http)) refuse('http', 'it is no object', 'Give { method, host, path, headers }.')
  for (const key of Object.keys(http))
    if (!requestKeys.includes(key))
      refuse(`http.${key}`, 'there is no such key', `The keys are ${requestKeys.join(', ')}.`)
  const { method = 'GET', host = to, path = '/', headers = {} } = http
  for (const [key, value] of Object.entries({ method, host, path })) lineOf(`http.${key}`, value)
  if (!isPlainObject(headers)) refuse('http.headers', 'it is no object', 'Give names with texts.')
  const fields = Object.entries(headers).map(
    ([name, value]) => `${lineOf('http.headers', name)}: ${lineOf(`http.headers.${name}`, value)}\r\n`,
  )
  return { request: `${String(method)} ${String(path)} HTTP/1.1\r\nhost: ${String(host)}\r\n${fields.join('')}\r\n` }
}

/** A text without line ends. */
function lineOf(path: string, value: unknown): string {
  if (typeof value !== 'string') refuse(path, 'it is no text', 'Give a text.')
  if (/[\r\n]/.test(value)) refuse(path, 'it has a line end', 'Give a text of one line.')
  return value
}

const isProtocol = (value: unknown): value is Protocol => typeof value === 'string' && Object.hasOwn(numbers, value)

/** What RoCEv2 goes to, and what it is part of. */
function roceOf(input: Partial<Record<keyof Tuple, unknown>>, protocol: Protocol): { opcode: number; qp: number } {
  const { qp = 0, opcode = 'send' } = input
  if (protocol !== 'roce') {
    for (const key of ['qp', 'opcode'] as const)
      if (input[key] !== undefined) refuse(key, 'it is of roce alone', 'Ask with protocol roce, or leave it out.')
    return { opcode: -1, qp: 0 }
  }
  if (!Number.isInteger(qp) || (qp as number) < 0 || (qp as number) > lastQueuePair)
    refuse('qp', `${String(qp)} is no queue pair`, `It is a whole number from 0 to ${lastQueuePair}.`)
  const place = roceClasses.indexOf(opcode as RoceClass)
  if (place < 0) refuse('opcode', `${quote(String(opcode))} is no class of opcodes`, `It is ${roceClasses.join(', ')}.`)
  return { opcode: place, qp: qp as number }
}

function vlanOf(vlan: unknown = 0): number {
  if (!Number.isInteger(vlan) || (vlan as number) < 0 || (vlan as number) > lastVlan)
    refuse('vlan', `${String(vlan)} is no VLAN`, `It is a whole number from 1 to ${lastVlan}, or 0 for none.`)
  return vlan as number
}

function portOf(on: unknown, ports: ReadonlyMap<string, number>): number {
  if (on === 'host') return nodeStack
  const id = typeof on === 'string' ? ports.get(on) : undefined
  return (
    id ?? refuse('on', `the mesh has no port ${quote(String(on))}`, `Its ports are ${[...ports.keys()].join(', ')}.`)
  )
}

/** `address:port`, `[v6]:port`; of ICMP the address alone, or with an identifier; of RoCEv2 the address alone. */
function endOf(path: 'from' | 'to', value: unknown, protocol: Protocol): { address: Address; port: number } {
  const roce = protocol === 'roce'
  const wanted = roce
    ? 'It is an address alone, such as 10.0.0.1 or 2001:db8::1.'
    : `It is address:port, such as 10.0.0.1:40000 or [2001:db8::1]:40000${protocol === 'icmp' ? ', or the address alone' : ''}.`
  if (typeof value !== 'string') refuse(path, 'it is no text', wanted)
  const bare = protocol === 'icmp' || roce ? parseAddress(value) : undefined
  if (bare) return { address: bare, port: roce && path === 'to' ? rocePort : 0 }
  if (roce) refuse(path, `${quote(value)} is no address`, wanted)
  const [, v6, v4, digits] = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(value) ?? []
  const address = parseAddress(v6 ?? v4 ?? '')
  const port = Number(digits)
  if (!address || (address.family === 6) !== (v6 !== undefined) || port > 65_535)
    refuse(path, `${quote(value)} is no address with a port`, wanted)
  return { address, port }
}

function refuse(path: string, what: string, remedy: string): never {
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', path === '' ? what : `${path}: ${what}`, { remedy })
}
