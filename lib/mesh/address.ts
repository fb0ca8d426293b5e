/** An IPv4 or IPv6 address: 4 or 16 bytes in network order. */
export interface Address {
  readonly family: 4 | 6
  readonly bytes: Uint8Array
}

/** An address with a prefix length, 0..32 or 0..128. The address may have host bits: `10.0.0.1/24`. */
export interface Prefix extends Address {
  readonly length: number
}

/** Reads `192.0.2.1` or `2001:db8::1`, strictly: no leading zeros in IPv4, no zone, nothing around it. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined
  const bytes = text.includes(':') ? parseV6(text) : parseV4(text)
  return bytes && { family: bytes.length === 4 ? 4 : 6, bytes }
}

/** Reads `10.0.0.0/8`; a bare address is a prefix of its full length. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address) return undefined
  const bits = address.bytes.length * 8
  if (slash < 0) return { ...address, length: bits }
  const digits = text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > bits) return undefined
  return { ...address, length: Number(digits) }
}

/** The canonical text of an address (IPv6: RFC 5952). */
export function formatAddress({ family, bytes }: Address): string {
  return family === 4 ? bytes.join('.') : formatV6(bytes)
}

/** The canonical text of a prefix, host bits as they are. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`
}

/** The prefix with its host bits cleared. */
export function network(prefix: Prefix): Prefix {
  const bytes = prefix.bytes.map((byte, index) => byte & maskByte(prefix.length, index))
  return { family: prefix.family, bytes, length: prefix.length }
}

/** Whether any bit beyond the prefix's length is set. */
export function hasHostBits(prefix: Prefix): boolean {
  return prefix.bytes.some((byte, index) => (byte & ~maskByte(prefix.length, index)) !== 0)
}

/** Whether all of `inner` lies within `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family || inner.length < outer.length) return false
  return outer.bytes.every((byte, index) => ((byte ^ inner.bytes[index]!) & maskByte(outer.length, index)) === 0)
}

/** What an address is for; `unicast` is what a host can have. */
export type Scope = 'unicast' | 'unspecified' | 'loopback' | 'multicast' | 'broadcast' | 'link-local' | 'IPv4-mapped'

/** The scope of an address (RFC 6890; RFC 4291 section 2.4). */
export function scopeOf({ family, bytes }: Address): Scope {
  const [a = 0, b = 0] = bytes
  if (family === 4) {
    if (bytes.every((byte) => byte === 255)) return 'broadcast'
    if (a >= 224 && a < 240) return 'multicast'
    if (a === 127) return 'loopback'
    if (a === 169 && b === 254) return 'link-local'
    return a === 0 ? 'unspecified' : 'unicast'
  }
  if (a === 0xff) return 'multicast'
  if (a === 0xfe && (b & 0xc0) === 0x80) return 'link-local'
  if (!zero(bytes, 0, 10)) return 'unicast'
  if (bytes[10] === 0xff && bytes[11] === 0xff) return 'IPv4-mapped'
  if (!zero(bytes, 10, 15) || bytes[15]! > 1) return 'unicast'
  return bytes[15] === 1 ? 'loopback' : 'unspecified'
}

function zero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index++) if (bytes[index] !== 0) return false
  return true
}

/** The byte at `index` of a mask of `length` ones. */
function maskByte(length: number, index: number): number {
  const ones = Math.min(8, Math.max(0, length - index * 8))
  return (0xff << (8 - ones)) & 0xff
}

function parseV4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  let position = 0
  let value = -1
  for (let index = 0; index <= text.length; index++) {
    const code = index < text.length ? text.charCodeAt(index) : 46
    if (code === 46) {
      if (value < 0 || position === 4) return undefined
      bytes[position++] = value
      value = -1
    } else {
      if (code < 48 || code > 57 || value === 0) return undefined
      value = (value < 0 ? 0 : value * 10) + code - 48
      if (value > 255) return undefined
    }
  }
  return position === 4 ? bytes : undefined
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? groups(halves[1]!, true) : []
  if (!head || !tail) return undefined
  const missing = 16 - head.length - tail.length
  // "::" stands for at least one group of zeros (RFC 4291 section 2.2).
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail])
}

/** The bytes of groups between colons; only the last one of the text may be an IPv4 address. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = last && index === parts.length - 1 ? parseV4(part) : undefined
      if (!v4) return undefined
      bytes.push(...v4)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
      const value = parseInt(part, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

function formatV6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!)
  const { start, length } = longestZeros(words)
  const text = (part: number[]) => part.map((word) => word.toString(16)).join(':')
  if (length < 2) return text(words)
  return `${text(words.slice(0, start))}::${text(words.slice(start + length))}`
}

/** The first longest run of zero groups (RFC 5952 section 4.2). */
function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  words.forEach((word, index) => {
    length = word === 0 ? length + 1 : 0
    if (length > best.length) best = { start: index - length + 1, length }
  })
  return best
}
