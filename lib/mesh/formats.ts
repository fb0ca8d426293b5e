import { formatPrefix, hasHostBits, network, parseAddress, parsePrefix, scopeOf, type Prefix } from './address.js'
import { limits } from './limits.js'
import { logFields, logFormatFault } from './log-fields.js'
import { meant, quote } from './names.js'
import { protocolsOf, protocolWords } from './protocols.js'

/** What is wrong with a text, and perhaps what was meant. */
export interface Fault {
  message: string
  hint?: string
}

/** A kind of text: a pattern for JSON Schema (which editors check), and the exact check. */
export interface Format {
  readonly expected: string
  readonly pattern: string
  readonly check?: (text: string) => Fault | undefined
}

const v4 = '[0-9]{1,3}(\\.[0-9]{1,3}){3}'
const v6 = '[0-9a-fA-F]*:[0-9a-fA-F:.]*'
const maximumDnsName = 253
const label = '[a-z0-9]([a-z0-9-]*[a-z0-9])?'
// JSON cannot carry half of a surrogate pair.
const printable = '[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]'
// RFC 3986 section 3.3.
const pathCharacter = "([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})"

/** The kinds of texts of a mesh, by name. */
export const formats = {
  name: {
    expected: "1 to 253 letters, digits, and any of '._/:-' after the first",
    pattern: '^[A-Za-z0-9][A-Za-z0-9._/:-]{0,252}$',
  },
  address: {
    expected: "an IPv4 or IPv6 address of a host, such as '10.0.0.1' or 'fd00::1'",
    pattern: `^(${v4}|${v6})$`,
    check: checkAddress,
  },
  prefix: {
    expected: "a prefix, such as '10.0.0.0/8' or 'fd00::/64'",
    pattern: `^(${v4}|${v6})(/[0-9]{1,3})?$`,
    check: checkPrefix,
  },
  destination: {
    expected: "an address of a host, or a prefix: '10.0.0.1', '0.0.0.0/0'",
    pattern: `^(${v4}|${v6})(/[0-9]{1,3})?$`,
    check: (text) => (text.includes('/') ? checkPrefix(text) : checkAddress(text)),
  },
  interfaceAddress: {
    expected: "an address, with the prefix that is connected there if any: '10.0.0.1' or '10.0.0.1/24'",
    pattern: `^(${v4}|${v6})(/[0-9]{1,3})?$`,
    check: checkInterfaceAddress,
  },
  // What the kernel takes (dev_valid_name), except '%', which it would fill in by itself.
  interfaceName: {
    expected: "the name of a network interface: 1 to 15 characters without blanks, '/', ':' and '%'",
    pattern: '^(?!\\.{1,2}$)[^\\s/:%]{1,15}$',
    check: (text) => (Buffer.byteLength(text) > 15 ? { message: `${quote(text)} has more than 15 bytes` } : undefined),
  },
  namespace: {
    expected: "a network namespace: a name of `ip netns`, or a path such as '/proc/4711/ns/net'",
    pattern: '^(/[^\\u0000]{1,4094}|(?!\\.{1,2}$)[^\\s/\\u0000]{1,255})$',
  },
  path: {
    expected: 'the path of a file',
    pattern: '^[^\\u0000]{1,4095}$',
  },
  absolutePath: {
    expected: "the absolute path of a file, such as '/var/log/flatproxy/access.log'",
    pattern: '^/[^\\u0000]{1,4094}$',
  },
  logFormat: {
    expected: `'json', or a line with fields between percent signs: ${logFields.map((name) => `%${name}%`).join(', ')}`,
    pattern: `^${printable}{1,4096}$`,
    check: checkLogFormat,
  },
  devargs: {
    expected: "DPDK device arguments, such as '0000:03:00.0' or 'net_af_xdp0,iface=eth1'",
    pattern: '^[!-~]{1,1023}$',
  },
  ipProtocol: {
    expected: `${protocolWords.join(', ')}, or the number of an IP protocol from 0 to 255, such as '47'`,
    pattern: `^(${protocolWords.join('|')}|[0-9]{1,3})$`,
    check: checkProtocol,
  },
  spiffe: {
    expected: "a SPIFFE ID, such as 'spiffe://example.org/ns/prod/sa/shop'",
    pattern: '^spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]{1,255})*$',
  },
  // Gateway API: a precise name, or one with '*.' for its first label.
  hostname: {
    expected: "a host name in lower case, such as 'shop.example' or '*.example'",
    pattern: `^(\\*\\.)?${label}(\\.${label})*$`,
    check: checkDnsName,
  },
  host: {
    expected: "a host name in lower case, such as 'shop.example'",
    pattern: `^${label}(\\.${label})*$`,
    check: checkDnsName,
  },
  // RFC 9110 section 5.6.2: names of fields, methods, pseudonyms; RFC 6265 section 4.1.1: names of cookies.
  token: {
    expected: "1 to 256 letters, digits and characters of !#$%&'*+-.^_`|~",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$",
  },
  fieldValue: {
    expected: 'a text of up to 4096 characters without control characters, and without blanks around it',
    pattern: `^(?! )${printable}{0,4096}(?<! )$`,
  },
  line: {
    expected: 'a text of 1 to 4096 characters without control characters',
    pattern: `^${printable}{1,4096}$`,
  },
  body: {
    expected: `a text of up to ${limits.bodyBytes} bytes`,
    pattern: '^[^\\ud800-\\udfff]*$',
    check: (text) =>
      Buffer.byteLength(text) > limits.bodyBytes
        ? { message: `a body of ${Buffer.byteLength(text)} bytes in UTF-8` }
        : undefined,
  },
  fullPath: {
    expected: "a path that begins with '/' and has only characters of paths",
    pattern: `^/${pathCharacter}*$`,
  },
  prefixPath: {
    expected: "nothing, or a path that begins with '/' and has only characters of paths",
    pattern: `^(/${pathCharacter}*)?$`,
  },
} satisfies Record<string, Format>

/** The name of a kind of text. */
export type FormatName = keyof typeof formats

function checkDnsName(text: string): Fault | undefined {
  return text.length > maximumDnsName ? { message: `${quote(text)} is longer than 253 characters` } : undefined
}

function checkLogFormat(text: string): Fault | undefined {
  const message = logFormatFault(text)
  return message === undefined ? undefined : { message, hint: "write '%%' for a percent sign" }
}

function notA(what: string, text: string): Fault {
  return { message: `${quote(text)} is not ${what}` }
}

function checkProtocol(text: string): Fault | undefined {
  if (protocolsOf(text)) return undefined
  const fault = notA('an IP protocol', text)
  const hint = meant(text, protocolWords)
  return hint === undefined ? fault : { ...fault, hint }
}

function checkAddress(text: string): Fault | undefined {
  const address = parseAddress(text)
  if (address) return checkScope({ ...address, length: address.bytes.length * 8 }, text)
  const fault = notA('an IP address', text)
  if (parsePrefix(text)) fault.hint = `leave the prefix length out: ${quote(text.slice(0, text.indexOf('/')))}`
  else if (text.includes('%')) fault.hint = 'leave the zone out'
  else if (/(^|\.)0[0-9]/.test(text)) fault.hint = 'leave leading zeros out'
  else if (/^\[.*\]$/.test(text)) fault.hint = 'leave the brackets out'
  return fault
}

function checkPrefix(text: string): Fault | undefined {
  const prefix = parsePrefix(text)
  if (!prefix) return notA('a prefix', text)
  if (prefix.family === 6 && scopeOf(prefix) === 'IPv4-mapped') return mapped(prefix, text)
  if (!hasHostBits(prefix)) return undefined
  return {
    message: `${quote(text)} has bits beyond its length`,
    hint: `did you mean ${quote(formatPrefix(network(prefix)))}?`,
  }
}

function checkInterfaceAddress(text: string): Fault | undefined {
  const prefix = parsePrefix(text)
  if (!prefix) return notA('an address or an address with a prefix length', text)
  // /31 and /127 have no network address (RFC 3021, RFC 6164).
  const roomy = prefix.length < prefix.bytes.length * 8 - 1
  if (roomy && !hasHostBits(prefix))
    return {
      message: `${quote(text)} is a network, not an address in it`,
      hint: `for example ${quote(firstHost(prefix))}`,
    }
  return checkScope(prefix, text)
}

function firstHost(prefix: Prefix): string {
  const bytes = prefix.bytes.slice()
  bytes[bytes.length - 1]! |= 1
  return formatPrefix({ ...prefix, bytes })
}

function checkScope(prefix: Prefix, text: string): Fault | undefined {
  const scope = scopeOf(prefix)
  if (scope === 'IPv4-mapped') return mapped(prefix, text)
  if (scope === 'unicast' || scope === 'link-local') return undefined
  return { message: `${quote(text)} is ${scope === 'unspecified' ? 'an' : 'a'} ${scope} address` }
}

function mapped(prefix: Prefix, text: string): Fault {
  const v4Address = prefix.bytes.subarray(12).join('.')
  return { message: `${quote(text)} is an IPv4 address in IPv6's clothes`, hint: `write it as ${quote(v4Address)}` }
}
