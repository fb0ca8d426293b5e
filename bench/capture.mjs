// A capture to replay, made up as it is read: pcap with nanoseconds, a packet a microsecond, of many flows in turn.
// Of ten packets six are IPv4 (TCP and UDP), two IPv6, one has a VLAN tag, and one is RoCEv2 or VXLAN (UDP both).

const chunkBytes = 1 << 20

/**
 * @param {{ packets: number, flows?: number, seed?: number }} options
 * @returns {Generator<Buffer>} the bytes of the file
 */
export function* captureOf({ packets, flows = 10_000, seed = 1 }) {
  const random = randomNumbers(seed)
  const frames = Array.from({ length: flows }, (_, index) => frameOf(index, random))
  let chunk = Buffer.alloc(chunkBytes + 4096)
  let size = fileHeader().copy(chunk)
  for (let index = 0; index < packets; index++) {
    const frame = frames[random() % flows]
    const time = index * 1000
    chunk.writeUInt32LE(1_700_000_000 + Math.floor(time / 1e9), size)
    chunk.writeUInt32LE(time % 1e9, size + 4)
    chunk.writeUInt32LE(frame.length, size + 8)
    chunk.writeUInt32LE(frame.length, size + 12)
    size += 16 + frame.copy(chunk, size + 16)
    if (size < chunkBytes) continue
    yield chunk.subarray(0, size)
    chunk = Buffer.alloc(chunkBytes + 4096)
    size = 0
  }
  yield chunk.subarray(0, size)
}

function fileHeader() {
  const header = Buffer.alloc(24)
  for (const [at, word] of [0xa1b23c4d, 0x00040002, 0, 0, 65_535, 1].entries()) header.writeUInt32LE(word, 4 * at)
  return header
}

/** xorshift32: the same numbers each time. */
function randomNumbers(seed) {
  let state = seed * 2_654_435_761 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

function frameOf(index, random) {
  const kind = index % 20
  const v6 = kind >= 12 && kind < 16
  const payload = Buffer.alloc(random() % 400)
  const ports = [10_000 + (index % 50_000), [80, 443, 5432, 53][random() % 4]]
  let body
  if (kind === 18) body = udp([ports[0], 4791], Buffer.concat([bth(index), payload]))
  else if (kind === 19) body = udp([ports[0], 4789], Buffer.concat([vxlan(index), payload]))
  else if (kind % 3 === 0) body = udp(ports, payload)
  else body = tcp(ports, payload)
  const packet = v6 ? ipv6(index, body) : ipv4(index, body)
  const tag = kind === 16 || kind === 17 ? Buffer.from([0x81, 0, 0, 7]) : Buffer.alloc(0)
  const macs = Buffer.from('020000000002020000000001', 'hex')
  return Buffer.concat([macs, tag, Buffer.from(v6 ? [0x86, 0xdd] : [8, 0]), packet])
}

function ipv4(index, { protocol, bytes }) {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + bytes.length, 2)
  header[8] = 64
  header[9] = protocol
  header.set([10, 0, (index >> 8) & 255, index & 255], 12)
  header.set([10, 1, index % 4, 1 + (index % 250)], 16)
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([header, bytes])
}

function ipv6(index, { protocol, bytes }) {
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(bytes.length, 4)
  header[6] = protocol
  header[7] = 64
  header.set([0xfd, 0, 0, 0], 8)
  header.writeUInt32BE(index, 20)
  header.set([0xfd, 1, 0, 0], 24)
  header.writeUInt32BE(1 + (index % 250), 36)
  return Buffer.concat([header, bytes])
}

function tcp([from, to], payload) {
  const header = Buffer.alloc(20)
  header.writeUInt16BE(from, 0)
  header.writeUInt16BE(to, 2)
  header.set([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff], 4)
  return { protocol: 6, bytes: Buffer.concat([header, payload]) }
}

function udp([from, to], payload) {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(from, 0)
  header.writeUInt16BE(to, 2)
  header.writeUInt16BE(8 + payload.length, 4)
  return { protocol: 17, bytes: Buffer.concat([header, payload]) }
}

/** InfiniBand's Base Transport Header: a UC send, to a queue pair. */
function bth(index) {
  const header = Buffer.alloc(12)
  header.set([0x24, 0, 0xff, 0xff], 0)
  header.writeUInt32BE(index & 0xffffff, 4)
  return header
}

/** RFC 7348. */
function vxlan(index) {
  const header = Buffer.alloc(8)
  header[0] = 8
  header.writeUInt32BE((index & 0xffff) << 8, 4)
  return header
}

/** RFC 1071, of an IPv4 header. */
export function checksum(header) {
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
