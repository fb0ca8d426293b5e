import { FlatProxyError, MeshError, UnsupportedError } from '../errors.js'
import type { Problem } from '../mesh/problem.js'

/**
 * What goes over the control socket: JSON, one message a line, one exchange a connection. The server says
 * {@link Hello}, the client sends one {@link Request}, the server answers with any number of `items` and then `end` or
 * `error`. Who has heard enough closes the connection. A connection for each exchange leaves flow control and
 * cancellation to the socket.
 */

/** The version of this protocol; a client refuses another one. */
export const protocolVersion = 4

/** Bounds of the control socket. */
export const controlLimits = {
  /** Bytes of a request. */
  requestBytes: 256 * 1024,
  /** Bytes of any other message. */
  messageBytes: 4 * 1024 * 1024,
  /** Items of a message: flows, events, services. */
  items: 128,
  /** Bytes of a capture in a message. */
  captureBytes: 256 * 1024,
  /** Connections at once; further ones are closed at once. */
  connections: 64,
  /** Milliseconds that either side waits for the other's first message. */
  greeting: 5_000,
  /** Bytes of the socket's path (`sun_path` of unix(7), less its end). */
  pathBytes: 107,
} as const

/** The server's first message. */
export interface Hello {
  flatproxy: number
  version: string
  pid: number
}

/** What a client may ask. */
export const methods = ['stats', 'flows', 'events', 'explain', 'capture'] as const
export type Method = (typeof methods)[number]

/** The client's message. */
export interface Request {
  method: Method
  params: Record<string, unknown>
}

/** The server's answers. */
export type Reply = { items: unknown[] } | { end: true } | { error: SentError }

/** An error on its way. */
export interface SentError {
  code: `ERR_FLATPROXY_${string}`
  message: string
  remedy?: string
  problems?: readonly Problem[]
}

export function sendableError(error: unknown): SentError {
  if (!(error instanceof FlatProxyError))
    return { code: 'ERR_FLATPROXY_INTERNAL', message: error instanceof Error ? error.message : String(error) }
  const { code, message, remedy } = error
  const problems = error instanceof MeshError || error instanceof UnsupportedError ? { problems: error.problems } : {}
  return { code, message, ...(remedy !== undefined && { remedy }), ...problems }
}

export function receivedError({ code, message, remedy, problems }: SentError): FlatProxyError {
  const details = remedy === undefined ? {} : { remedy }
  if (code === 'ERR_FLATPROXY_MESH' && problems) return new MeshError(problems, details)
  if (code === 'ERR_FLATPROXY_UNSUPPORTED' && problems) return new UnsupportedError(problems, details)
  return new FlatProxyError(code, message, details)
}

export function controlError(message: string, remedy?: string, cause?: unknown): FlatProxyError {
  const details = { ...(remedy !== undefined && { remedy }), ...(cause !== undefined && { cause }) }
  return new FlatProxyError('ERR_FLATPROXY_CONTROL', message, details)
}
