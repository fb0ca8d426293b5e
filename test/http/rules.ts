// Where the codec and Node's parser may disagree, and why. Whatever the codec takes for a message Node must take for the
// same one, or refuse; what the codec refuses and Node does not is one of its strict rules, seen here in the bytes.
import { METHODS } from 'node:http'
import { isIPv6 } from 'node:net'
import type { CodecReading, Stream } from './codec.js'
import type { Reading } from './node-reader.js'
import type { Message } from './rows.js'

/// What both have read the same up to `text`.
interface Case {
  text: string
  asked: string | undefined
  line: string[]
  fields: { name: string; value: string }[]
  body: string
  trailers: { name: string; value: string }[]
}

interface Rule {
  why: string
  holds: (it: Case) => boolean
}

const values = ({ fields }: Case, name: string) => fields.filter((one) => one.name === name).map(({ value }) => value)
const elements = (it: Case, name: string) =>
  values(it, name)
    .flatMap((value) => value.toLowerCase().split(','))
    .map((one) => one.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter(Boolean)

const token = /^[\w!#$%&'*+.^`|~-]+$/
const authority = /^(?:[\w.~!$&'()*+;=-]+|\[([\da-f:.]+)\])(?::(?!0+$)(\d{0,5}))?$/i

function isAuthority(text: string): boolean {
  const [all, v6, port = 1] = authority.exec(text) ?? []
  if (all === undefined || Number(port) > 65535) return false
  // An IPv4 address that is mapped into IPv6 is on no wire.
  return v6 === undefined || (isIPv6(v6) && !new URL(`http://[${v6}]`).hostname.startsWith('[::ffff:'))
}

const encoded = /^(%(?!00)[\da-f]{2}|[^%])*$/i
const path = /^\/[!$-;=@-[\]-~]*(\?[!$-;=?-~]*)?$/
const absolute = /^https?:\/\/([^/?]*)(\/[^?]*)?(\?.*)?$/i

function isTarget(method: string, target: string): boolean {
  if (!encoded.test(target)) return false
  if (method === 'CONNECT') return isAuthority(target) && /:\d+$/.test(target)
  if (target === '*') return method === 'OPTIONS'
  const [, named, rest = '/', query = ''] = absolute.exec(target) ?? []
  return path.test(named === undefined ? target : rest + query) && (named === undefined || isAuthority(named))
}

const hostOfTarget = ([method = '', target = '']: string[]) =>
  method === 'CONNECT' ? target : absolute.exec(target)?.[1]

const neverInTrailers =
  /^(connection|keep-alive|proxy-connection|te|transfer-encoding|upgrade|host|content-length|trailer|expect|forwarded|cookie|x-forwarded-(for|host|port|proto))$/

// Node 20 takes them behind a reason for the end of the line.
const twoReturns = ({ text, asked }: Case) => asked !== undefined && /^HTTP[^\r\n]*\r\r/m.test(text)

/// By the error that the codec gives and Node does not.
const stricter: Record<string, Rule> = {
  bad_method: {
    why: 'RFC 9112 section 2.2: CRLF in front of a request is skipped, once; Node skips any CR and LF',
    holds: ({ text }) => /^(\r\n)*[\r\n]/.test(text),
  },
  bad_line_end: {
    why: 'RFC 9112 section 2.2: lines end in CRLF, and one is skipped in front of a request; Node skips any CR and LF',
    holds: (it) => /^\r[^\n]/.test(it.text) || twoReturns(it),
  },
  incomplete: {
    why: 'RFC 9112 section 2.2: CR CR is no end of a line, and will be refused with the head',
    holds: (it) => twoReturns(it),
  },
  bad_request_line: {
    why: 'RFC 9112 section 3: one space; HTTP/0.9 is not spoken',
    holds: ({ line }) => line[1] === '' || line.length === 2,
  },
  bad_version: {
    why: 'RFC 9112 section 3: one space; section 2.3: the name is HTTP; only servers skip an empty line',
    holds: ({ line, text, asked }) =>
      asked ? /^[\r\n]/.test(text) : line[2] === '' || /^(RTSP|ICE)\//.test(line[2] ?? ''),
  },
  unsupported_version: {
    why: 'RFC 9110 section 2.5: HTTP/0.9 and HTTP/2.0 are not spoken',
    holds: ({ line, asked }) => /^HTTP\/(0\.9|2\.0)$/.test((asked ? line[0] : line.at(-1)) ?? ''),
  },
  bad_target: {
    why: 'RFC 9112 section 3.2: four forms of a target; RFC 3986 section 2: its characters',
    holds: ({ line }) => !isTarget(line[0] ?? '', line[1] ?? ''),
  },
  too_many_fields: {
    why: 'RFC 9110 section 5.4: 100 fields are enough',
    holds: ({ fields }) => fields.length > 100,
  },
  missing_host: {
    why: 'RFC 9112 section 3.2: a Host; Node answers 400, too, but in its turn, and reads on',
    holds: (it) => values(it, 'host').length === 0,
  },
  several_hosts: {
    why: 'RFC 9112 section 3.2: one Host',
    holds: (it) => values(it, 'host').length > 1,
  },
  bad_host: {
    why: 'RFC 9112 section 3.2: a valid Host',
    holds: (it) => !values(it, 'host').every(isAuthority),
  },
  host_mismatch: {
    why: 'RFC 9112 section 3.2.2: the same host in target and Host',
    holds: (it) => hostOfTarget(it.line) !== undefined && hostOfTarget(it.line) !== values(it, 'host')[0],
  },
  bad_content_length: {
    why: 'RFC 9110 section 8.6: large numbers ask for care',
    holds: (it) => values(it, 'content-length').some((value) => /^\d{19,}$/.test(value)),
  },
  length_and_encoding: {
    why: 'RFC 9112 section 6.3: not both; Node 20 takes an empty Transfer-Encoding for none',
    holds: (it) => values(it, 'transfer-encoding').includes(''),
  },
  bad_transfer_encoding: {
    why: 'RFC 9112 section 6.1: one Transfer-Encoding, which is chunked',
    holds: (it) => values(it, 'transfer-encoding').join(' ').toLowerCase() !== 'chunked',
  },
  unsupported_encoding: {
    why: 'RFC 9112 section 6.1: no other coding than chunked is taken',
    holds: (it) => elements(it, 'transfer-encoding').length > 1 || values(it, 'transfer-encoding')[0]!.includes(','),
  },
  encoding_in_http10: {
    why: 'RFC 9112 section 6.1: the framing of such a message must be taken for faulty',
    holds: ({ line, asked }) => (asked ? line[0] : line.at(-1)) === 'HTTP/1.0',
  },
  bad_connection: {
    why: 'RFC 9110 section 7.6.1: options are tokens, and nominate nothing that all recipients need; 32 are enough',
    holds: (it) => {
      const options = elements(it, 'connection')
      const needed = ['host', 'content-length', 'transfer-encoding']
      return options.length > 32 || options.some((one) => !token.test(one) || needed.includes(one))
    },
  },
  bad_expectation: {
    why: 'RFC 9110 section 10.1.1: 417 for another expectation than 100-continue',
    holds: (it) => values(it, 'expect').join(' ').toLowerCase() !== '100-continue',
  },
  unexpected_body: {
    why: 'RFC 9110 section 9.3: none with CONNECT and TRACE; section 8.6: nor with 1xx and 204',
    holds: ({ line, asked }) => (asked ? /^(1..|204)$/.test(line[1]!) : /^(CONNECT|TRACE)$/.test(line[0]!)),
  },
  unexpected_switch: {
    why: 'RFC 9110 section 15.2.2: a 101 switches to what was asked for',
    holds: ({ line }) => line[1] === '101',
  },
  bad_chunk: {
    why: 'RFC 9112 section 7.1: sizes of 15 digits are enough',
    holds: ({ text }) => /\r\n[\da-f]{16,}[;\r]/i.test(text),
  },
  bad_trailer: {
    why: 'RFC 9110 section 6.5.1: nothing about framing, routing or the connection in trailers',
    holds: ({ trailers }) => trailers.some(({ name }) => neverInTrailers.test(name)),
  },
  bad_status_line: {
    why: 'RFC 9110 section 15: 100 to 599; RFC 9112 section 4: text in a reason',
    holds: ({ line }) => !/^[1-5]\d\d$/.test(line[1] ?? '') || /[^\t\x20-\x7e\x80-\xff]/.test(line.slice(2).join(' ')),
  },
}

const tabBehind: Rule = {
  why: 'RFC 9112 section 5: white space around a value is not a part of it; Node wants no tab behind some',
  holds: ({ text }) => /^(content-length|transfer-encoding|connection|upgrade):[^\r\n]*\t *\r$/im.test(text),
}

/// What Node refuses, and the codec does not.
const refusedByNode: Rule[] = [
  {
    why: 'RFC 9110 section 9.1: a method is any token; Node knows those that are registered',
    holds: ({ line, asked }) => !asked && !METHODS.includes(line[0]!),
  },
  {
    why: 'RFC 9112 section 7.1.1: extensions are ignored, whatever they hold; Node wants them well-formed',
    holds: (it) =>
      elements(it, 'transfer-encoding').includes('chunked') && /(^|\r\n)[\da-f]+;[^\r\n]*\r\n/i.test(it.body),
  },
  tabBehind,
]

/// Where both go on, but not alike.
const otherwise: Rule[] = [
  {
    why: 'RFC 9110 section 7.8: an upgrade may be ignored, and is but to WebSocket; Node leaves all to its user',
    holds: (it) => elements(it, 'connection').includes('upgrade') && values(it, 'upgrade').length > 0,
  },
  tabBehind,
  {
    why: 'RFC 9110 section 9.3.6: only a 2xx to CONNECT switches to a tunnel; Node leaves all to its user',
    holds: ({ line, asked }) => asked === 'CONNECT' && !/^2/.test(line[1] ?? ''),
  },
  {
    why: 'RFC 9112 section 9.6: close is about what follows the final response; Node refuses that behind an interim one',
    holds: (it) =>
      it.asked !== undefined && /^1/.test(it.line[1] ?? '') && elements(it, 'connection').includes('close'),
  },
  {
    why: 'RFC 9112 section 9.3: close, whatever else is said; Node keeps HTTP/1.0 alive',
    holds: (it) => ['close', 'keep-alive'].every((option) => elements(it, 'connection').includes(option)),
  },
  {
    why: 'RFC 9112 appendix C.2.2: Proxy-Connection says nothing; Node takes it for Connection',
    holds: (it) => values(it, 'proxy-connection').length > 0,
  },
]

function fieldsOf(lines: string[]): Case['fields'] {
  return lines.flatMap((line) => {
    const [, name, value] = /^([^:]*):[ \t]*([^]*?)[ \t]*$/.exec(line) ?? []
    return name === undefined ? [] : [{ name: name.toLowerCase(), value: value! }]
  })
}

function caseOf(stream: Stream, from: number): Case {
  const text = stream.bytes.toString('latin1', from)
  const [head = '', ...behind] = text.replace(/^[\r\n]+/, '').split('\r\n\r\n')
  const [line = '', ...fields] = head.split(/\r?\n/)
  const body = behind.join('\r\n\r\n')
  const last = /(^|\r\n)0+(;[^\r]*)?\r\n([^]*)$/.exec(body)?.[3] ?? ''
  const trailers = fieldsOf(last.split('\r\n'))
  return { text, asked: stream.asked, line: line.split(' '), fields: fieldsOf(fields), body, trailers }
}

const words = new Set(['open', 'incomplete', 'answered', 'closed', 'tunnel'])

/// Whether both say the same of what follows the last message.
function agree(asked: string | undefined, codec: string, node: string): boolean {
  const ours = words.has(codec) ? codec : 'refused'
  if (asked && ours === 'closed') return node === 'answered'
  const nothing = ['refused', 'incomplete']
  return ours === node || (nothing.includes(ours) && nothing.includes(node))
}

const isSame = (a: Message, b: Message) =>
  a.start === b.start && (a.target ?? '') === (b.target ?? '') && a.body === b.body && a.end === b.end

/// What the two say differently without a rule for it; nothing: all is well.
export function disagreement(stream: Stream, codec: CodecReading, node: Reading): string | undefined {
  const differs = codec.messages.findIndex((ours, i) => !node.messages[i] || !isSame(ours, node.messages[i]))
  const same = differs < 0 ? codec.messages.length : differs
  const [ours, theirs] = [codec.messages[same], node.messages[same]]
  if (!ours && !theirs && agree(stream.asked, codec.then, node.then)) return undefined

  const next = caseOf(stream, codec.messages[same - 1]?.end ?? 0)
  const last = same > 0 && caseOf(stream, codec.messages[same - 2]?.end ?? 0)
  const ruled = (rules: Rule[], it: Case | false) => it && rules.some((rule) => rule.holds(it))
  if (ruled(otherwise, last) || ruled(otherwise, next)) return undefined
  if (!ours && !theirs) return `the codec says ${codec.then}, Node ${node.then}`
  if (!ours) return stricter[codec.then]?.holds(next) ? undefined : `the codec alone says ${codec.then}`
  if (theirs || node.then !== 'refused') return 'they take different messages'
  return ruled(refusedByNode, next) ? undefined : 'Node refuses it'
}
