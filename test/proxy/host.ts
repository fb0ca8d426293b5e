// A host behind a memory port: it answers ARP, finds its gateway, sends and receives TCP segments and UDP datagrams.
import { setTimeout as sleep } from 'node:timers/promises'
import type { MemoryPort } from '#lib/index.js'

/** A TCP segment or a UDP datagram over IPv4. `from` and `to` are `address:port`; `flags` are letters of `FSRPAU`. */
export interface Packet {
  protocol: 'tcp' | 'udp'
  from: string
  to: string
  flags?: string
  sequence?: number
  acknowledgment?: number
  payload?: string
}

const broadcast = 'ff:ff:ff:ff:ff:ff'
const flagLetters = 'FSRPAU'

const macBytes = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex')
const addressBytes = (address: string) => Buffer.from(address.split('.').map(Number))
const endOf = (text: string) => {
  const [address = '', port = ''] = text.split(':')
  return { address, port: Number(port) }
}

/** RFC 1071. */
function sum(...parts: Buffer[]): number {
  const bytes = Buffer.concat(parts)
  let total = 0
  for (let index = 0; index < bytes.length; index++) total += bytes[index]! << (index % 2 === 0 ? 8 : 0)
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000)
  return total
}
const checksum = (...parts: Buffer[]) => ~sum(...parts) & 0xffff

export function ethernet(to: string, from: string, type: number, body: Buffer): Buffer {
  return Buffer.concat([macBytes(to), macBytes(from), Buffer.from([type >> 8, type & 255]), body])
}

export function arp(
  operation: number,
  sender: [mac: string, address: string],
  target: [mac: string, address: string],
): Buffer {
  const ends = [sender, target].flatMap(([mac, address]) => [macBytes(mac), addressBytes(address)])
  return Buffer.concat([Buffer.from([0, 1, 8, 0, 6, 4, 0, operation]), ...ends])
}

function pseudoHeader(packet: Packet, protocol: number, length: number): Buffer {
  const [from, to] = [endOf(packet.from).address, endOf(packet.to).address]
  return Buffer.concat([addressBytes(from), addressBytes(to), Buffer.from([0, protocol, length >> 8, length & 255])])
}

function transport(packet: Packet): Buffer {
  const payload = Buffer.from(packet.payload ?? '')
  const header = Buffer.alloc(packet.protocol === 'tcp' ? 20 : 8)
  header.writeUInt16BE(endOf(packet.from).port, 0)
  header.writeUInt16BE(endOf(packet.to).port, 2)
  const at = packet.protocol === 'tcp' ? 16 : 6
  if (packet.protocol === 'tcp') {
    header.writeUInt32BE(packet.sequence ?? 0, 4)
    header.writeUInt32BE(packet.acknowledgment ?? 0, 8)
    header[12] = 5 << 4
    for (const flag of packet.flags ?? '') header[13]! |= 1 << flagLetters.indexOf(flag)
    header.writeUInt16BE(65_535, 14)
  } else header.writeUInt16BE(8 + payload.length, 4)
  const pseudo = pseudoHeader(packet, packet.protocol === 'tcp' ? 6 : 17, header.length + payload.length)
  header.writeUInt16BE(checksum(pseudo, header, payload) || 0xffff, at)
  return Buffer.concat([header, payload])
}

/** The bytes of an IP packet, checksums right. */
export function emit(packet: Packet): Buffer {
  const body = transport(packet)
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + body.length, 2)
  header[8] = 64
  header[9] = packet.protocol === 'tcp' ? 6 : 17
  addressBytes(endOf(packet.from).address).copy(header, 12)
  addressBytes(endOf(packet.to).address).copy(header, 16)
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([header, body])
}

/** Reads an IP packet, and throws when a checksum is wrong. */
export function parse(bytes: Buffer): Packet {
  const body = bytes.subarray(20, bytes.readUInt16BE(2))
  const address = (offset: number) => bytes.subarray(offset, offset + 4).join('.')
  const packet: Packet = {
    protocol: bytes[9] === 6 ? 'tcp' : 'udp',
    from: `${address(12)}:${body.readUInt16BE(0)}`,
    to: `${address(16)}:${body.readUInt16BE(2)}`,
  }
  if (sum(bytes.subarray(0, 20)) !== 0xffff) throw new Error('the checksum of the IP header is wrong')
  if (sum(pseudoHeader(packet, bytes[9]!, body.length), body) !== 0xffff) throw new Error('the checksum is wrong')
  if (packet.protocol === 'tcp') {
    packet.flags = [...flagLetters].filter((_, bit) => (body[13]! >> bit) & 1).join('')
    packet.sequence = body.readUInt32BE(4)
    packet.acknowledgment = body.readUInt32BE(8)
  }
  const payload = body.subarray(packet.protocol === 'tcp' ? (body[12]! >> 4) * 4 : 8).toString()
  return payload === '' ? packet : { ...packet, payload }
}

/** A host on the wire of a memory port. */
export class Host {
  readonly received: Packet[] = []
  /** What it does with each packet. */
  onPacket: (packet: Packet) => void = () => {}
  private gatewayMac: string | undefined
  private failure: unknown

  constructor(
    private readonly port: MemoryPort,
    private readonly mac: string,
    readonly address: string,
    private readonly gateway: string,
  ) {
    void this.receive().catch((error: unknown) => (this.failure = error))
  }

  /** Asks for the gateway's MAC address. */
  async join(): Promise<this> {
    const request = arp(1, [this.mac, this.address], ['00:00:00:00:00:00', this.gateway])
    this.port.send([ethernet(broadcast, this.mac, 0x0806, request)])
    await this.until(() => this.gatewayMac !== undefined, `an ARP reply of ${this.gateway}`)
    return this
  }

  frame(packet: Packet): Buffer {
    return ethernet(this.gatewayMac!, this.mac, 0x0800, emit(packet))
  }

  send(packet: Packet): number {
    return this.port.send([this.frame(packet)])
  }

  /** The next packet that fits, once it is there. */
  async expect(fits: Partial<Packet>): Promise<Packet> {
    const matches = (packet: Packet) =>
      Object.entries(fits).every(([key, value]) => packet[key as keyof Packet] === value)
    await this.until(() => this.received.some(matches), JSON.stringify(fits))
    return this.received.splice(this.received.findIndex(matches), 1)[0]!
  }

  private async until(done: () => boolean, what: string): Promise<void> {
    const end = Date.now() + 5_000
    while (!done()) {
      if (this.failure) throw this.failure as Error
      if (Date.now() > end)
        throw new Error(`${this.address} never received ${what}; it received ${JSON.stringify(this.received)}`)
      await sleep(1)
    }
  }

  private async receive(): Promise<void> {
    for await (const frames of this.port) for (const frame of frames) this.take(Buffer.from(frame))
  }

  private take(frame: Buffer): void {
    const body = frame.subarray(14)
    if (frame.readUInt16BE(12) === 0x0806) this.takeArp(body)
    else if (frame.readUInt16BE(12) === 0x0800) {
      const packet = parse(body)
      this.received.push(packet)
      this.onPacket(packet)
    }
  }

  private takeArp(body: Buffer): void {
    const mac = [...body.subarray(8, 14)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
    const sender = body.subarray(14, 18).join('.')
    const target = body.subarray(24, 28).join('.')
    if (body[7] === 2 && sender === this.gateway) this.gatewayMac = mac
    if (body[7] === 1 && target === this.address)
      this.port.send([ethernet(mac, this.mac, 0x0806, arp(2, [this.mac, this.address], [mac, sender]))])
  }
}
