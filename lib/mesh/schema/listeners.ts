import { duration, list, object, oneOrMany, optional, text, whole, word, type Static } from '../kit.js'

const hour = 3_600_000

const most = (description: string) => whole({ minimum: 1, maximum: 4_294_967_295, description })

const proxyProtocol = object(
  { trusted: list(text('prefix'), { description: 'The clients that are believed; all others are reset.' }) },
  {
    description:
      'Clients begin with a PROXY header, version 1 or 2, that says for whom they speak (as HAProxy and cloud load ' +
      'balancers send it).',
  },
)

const bound = (minimum: number, maximum: number, value: number, description: string) =>
  optional(whole({ minimum, maximum, default: value, description }))
const timeout = (value: `${number}${'s' | 'h'}`, description: string) =>
  optional(duration({ minimum: 10, maximum: 24 * hour, default: value, description }))

export const httpSettings = object(
  {
    maxHeaderBytes: bound(1_024, 16_384, 16_384, 'Bytes of the head of a request or response; 431 or 502 above it.'),
    maxHeaders: bound(1, 256, 100, 'Fields of a head; 431 or 502 above it.'),
    maxUriBytes: bound(64, 16_384, 8_192, 'Bytes of the target of a request; 414 above it.'),
    maxRequests: optional(most('Requests of one connection; then it is closed. Default: no limit.')),
    headerTimeout: timeout('10s', 'From the first byte of a head to its last.'),
    bodyTimeout: timeout('60s', 'A body of which nothing comes or goes for so long ends the exchange.'),
    idleTimeout: timeout('75s', 'A connection between two requests is closed after it.'),
    tunnelTimeout: timeout('1h', 'An upgraded connection, or a tunnel, that carries nothing for so long is closed.'),
    via: optional(
      text('token', { description: 'The name that flatproxy adds to Via (RFC 9110 section 7.6.3). Default: none.' }),
    ),
    forwarded: optional(
      word(['none', 'forwarded', 'x-forwarded'], {
        default: 'none',
        description:
          'Which fields tell endpoints of the client: none, Forwarded (RFC 7239), or X-Forwarded-For, -Host and -Proto.',
      }),
    ),
    trustedForwarded: optional(
      list(text('prefix'), {
        default: [],
        description: 'Clients whose fields of that kind are kept and added to; those of all others are removed.',
      }),
    ),
    dotSegments: optional(
      word(['normalize', 'reject', 'keep'], {
        default: 'normalize',
        description: "What is done with '.' and '..' in a path, also when they are percent-encoded. 'reject': 400.",
      }),
    ),
    encodedSlashes: optional(
      word(['keep', 'decode', 'reject'], {
        default: 'keep',
        description: "What is done with '%2F' in a path. 'reject': 400.",
      }),
    ),
    doubleSlashes: optional(
      word(['keep', 'merge'], { default: 'keep', description: "What is done with '//' in a path." }),
    ),
    trace: optional(
      word(['pass', 'start'], {
        default: 'pass',
        description:
          "What is done with W3C traces. 'pass': nothing. 'start': a request without a valid traceparent gets one, and " +
          'loses its tracestate.',
      }),
    ),
  },
  { description: 'For listeners of protocol http and https: limits, timeouts, and what is said of clients.' },
)

const certificateFile = (description: string) => text('absolutePath', { description })

export const tlsSettings = object(
  {
    certificates: list(
      object({
        certificate: certificateFile("The server's own certificate, then those that it was issued by, in PEM."),
        key: certificateFile('Its private key, in PEM and without a password. It is read, and stays in native memory.'),
      }),
      {
        minItems: 1,
        description:
          'A client that names a server (SNI) gets the certificate that is for that name, or for `*.` and its parent; one ' +
          'that names none, or another, gets the first. Of one name there may be an ECDSA and an RSA certificate.',
      },
    ),
    minVersion: optional(
      word(['1.2', '1.3'], { default: '1.2', description: 'The oldest version of TLS that is spoken.' }),
    ),
  },
  { description: 'For listeners of protocol https and tls: what handshakes are made with.' },
)

export const listenerFields = {
  address: oneOrMany(text('destination'), {
    description:
      'The addresses that it listens on. Of a prefix it intercepts, from whoever is behind a port, what passes through to ' +
      'any address in it; of several the longest.',
  }),
  port: whole({ minimum: 1, maximum: 65_535, description: 'The transport port that it listens on.' }),
  protocol: word(['http', 'https', 'tcp', 'tls'], {
    description: 'What it speaks: requests, or whole connections (tcp, tls); https and tls over TLS, which ends here.',
  }),
  hostname: optional(
    text('hostname', {
      description:
        'For http and https: the host that it is for, such as `shop.example` or `*.example`. Listeners of one address and ' +
        'port are told apart by it. Default: any.',
    }),
  ),
  http: optional(httpSettings),
  tls: optional(tlsSettings),
  maxConnections: optional(most('Connections at once, at most; more are reset. Default: no limit.')),
  maxConnectionsPerClient: optional(most('The same of one client address. Default: no limit.')),
  proxyProtocol: optional(proxyProtocol),
}
export const listener = object(
  { ...listenerFields, on: optional(text('name', { description: 'The port. Default: any.' })) },
  { description: 'Connections that flatproxy terminates.' },
)

/** What a listener says beside its port. */
export type ListenerFields = Static<ReturnType<typeof object<typeof listenerFields>>>
/** What a listener asks of TLS: certificates, versions. */
export type TlsSettings = Static<typeof tlsSettings>
/** What a listener asks of HTTP: limits, timeouts, and what is said of clients. */
export type HttpSettings = Static<typeof httpSettings>
