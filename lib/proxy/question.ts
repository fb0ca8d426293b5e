import type { Tuple } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { formatAddress, parseAddress, type Address } from '../mesh/address.js'
import { quote } from '../mesh/names.js'
import { isPlainObject } from '../mesh/tree.js'
import { lastQueuePair } from '../mesh/schema/policies.js'
import type { FirstPacket } from '../native.js'
import { roceClasses, rocePort, type RoceClass } from '../roce.js'

/** The id by which the addon knows the node's own stack, where it is no port of the mesh. */
export const nodeStack = 0xffff

const keys = ['on', 'protocol', 'from', 'to', 'qp', 'opcode', 'http']
const numbers = { tcp: [6, 6], udp: [17, 17], icmp: [1, 58], roce: [17, 17] } as const
type Protocol = keyof typeof numbers

/**
 * The packet that `explain` is asked about, as the addon takes it.
 *
 * @param ports the ids of the mesh's ports, by name
 * @throws `ERR_FLATPROXY_ARGUMENT`, with the path of what is wrong; `ERR_FLATPROXY_UNSUPPORTED` for what is not built yet
 */
export function packetOf(input: unknown, ports: ReadonlyMap<string, number>): FirstPacket {
  if (!isPlainObject(input)) refuse('', 'it is no object', 'Give { on, protocol, from, to }.')
  if ('frame' in input)
    throw unsupported('frame: frames are not explained yet', 'Ask with { on, protocol, from, to } in place of it.')
  for (const key of Object.keys(input))
    if (!keys.includes(key)) refuse(key, 'there is no such key', `The keys are ${keys.join(', ')}.`)
  const { on, protocol, from, to } = input as Partial<Record<keyof Tuple, unknown>>
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
  }
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

function unsupported(message: string, remedy: string): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_UNSUPPORTED', message, { remedy })
}
