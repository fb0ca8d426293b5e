// Reads what captures write, and is strict about it.
import assert from 'node:assert/strict'

/** A packet of a capture. */
export interface Captured {
  on: string
  /** Nanoseconds since 1970. */
  at: bigint
  /** How it ended. */
  comment: string
  outbound: boolean
  original: number
  bytes: Buffer
}

/** A capture as it was read. */
export interface PcapngFile {
  interfaces: string[]
  packets: Captured[]
  /** By interface, what was told last. */
  statistics: Map<string, { received: bigint; dropped: bigint; accepted: bigint }>
}

const types = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 } as const

/** @param cut whether the capture may lack its end */
export function readPcapng(capture: Uint8Array, cut = false): PcapngFile {
  const all = Buffer.from(capture)
  const file: PcapngFile = { interfaces: [], packets: [], statistics: new Map() }
  let at = 0
  for (; at + 12 <= all.length; at += all.readUInt32LE(at + 4)) {
    const length = all.readUInt32LE(at + 4)
    if (cut && at + length > all.length) break
    assert.equal(all.readUInt32LE(at + length - 4), length)
    assert.equal(at === 0, all.readUInt32LE(at) === types.section)
    readBlock(file, all.readUInt32LE(at), all.subarray(at + 8, at + length - 4))
  }
  if (!cut) assert.equal(at, all.length)
  return file
}

function readBlock(file: PcapngFile, type: number, body: Buffer): void {
  const time = (offset: number) => (BigInt(body.readUInt32LE(offset)) << 32n) | BigInt(body.readUInt32LE(offset + 4))
  if (type === types.section) {
    assert.equal(body.readUInt32LE(0), 0x1a2b3c4d)
  } else if (type === types.interface) {
    const options = optionsOf(body, 8)
    assert.equal(body.readUInt16LE(0), 1, 'Ethernet')
    assert.equal(options.get(9)![0], 9, 'nanoseconds')
    file.interfaces.push(options.get(2)!.toString())
  } else if (type === types.packet) {
    const captured = body.readUInt32LE(12)
    const options = optionsOf(body, 20 + Math.ceil(captured / 4) * 4)
    file.packets.push({
      on: file.interfaces[body.readUInt32LE(0)]!,
      at: time(4),
      comment: options.get(1)!.toString(),
      outbound: options.get(2)!.readUInt32LE(0) === 2,
      original: body.readUInt32LE(16),
      bytes: body.subarray(20, 20 + captured),
    })
  } else {
    assert.equal(type, types.statistics)
    const options = optionsOf(body, 12)
    const count = (code: number) => options.get(code)!.readBigUInt64LE(0)
    file.statistics.set(file.interfaces[body.readUInt32LE(0)]!, {
      received: count(4),
      dropped: count(5),
      accepted: count(6),
    })
  }
}

function optionsOf(body: Buffer, from: number): Map<number, Buffer> {
  const options = new Map<number, Buffer>()
  for (let at = from; at + 4 <= body.length && body.readUInt16LE(at) !== 0;) {
    const length = body.readUInt16LE(at + 2)
    options.set(body.readUInt16LE(at), body.subarray(at + 4, at + 4 + length))
    at += 4 + Math.ceil(length / 4) * 4
  }
  return options
}
