import type { Tuple } from '../api.js'
import type { FirstPacket, NativeFrame } from '../native.js'
import { numbers } from './question.js'

/** What a packet is told by. */
export interface Asked extends Pick<Tuple, 'on' | 'http' | 'vlan'> {
  readonly protocol: string
  /** Its ends have no ports. */
  readonly bare?: boolean
}

/** From where to where: addresses, of a frame without any MACs. */
export type Ends = Pick<FirstPacket, 'source' | 'destination' | 'sourcePort' | 'destinationPort' | 'qp'>

/** The packet in a frame; where there is none, the frame itself. */
export function packetIn(frame: NativeFrame, on: string): { input: Asked; packet: Ends } {
  return { input: { on, protocol: protocolOf(frame), bare: !frame.hasPorts, vlan: frame.vlan }, packet: frame }
}

function protocolOf({ kind, protocol, opcode }: NativeFrame): string {
  if (kind === 'arp') return 'arp'
  if (kind !== 'ip') return 'ethernet'
  if (opcode >= 0) return 'roce'
  for (const [name, ofVersions] of Object.entries(numbers)) if (ofVersions.includes(protocol)) return name
  return `protocol ${protocol}`
}
