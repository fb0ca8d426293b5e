import { once } from 'node:events'
import type { Socket } from 'node:net'
import { isPlainObject, type Tree } from '../mesh/tree.js'
import { controlError } from './protocol.js'

const newline = 10

/**
 * The messages that come in by a socket. The socket is read only as fast as they are taken, and stays the caller's to
 * destroy.
 *
 * @param limit bytes of a message, at most
 * @throws `ERR_FLATPROXY_CONTROL` for a message that is too long, or is no JSON object
 */
export async function* receiveMessages(socket: Socket, limit: number): AsyncGenerator<Tree, void> {
  let pending: Buffer[] = []
  let size = 0
  const keep = (part: Buffer) => {
    size += part.length
    if (size > limit) throw controlError(`a message of more than ${limit} bytes`)
    pending.push(part)
  }
  // Whoever is told of a bad message may still want to answer.
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      keep(chunk.subarray(start, end))
      const message = Buffer.concat(pending)
      pending = []
      size = 0
      start = end + 1
      yield parse(message)
    }
    keep(chunk.subarray(start))
  }
}

function parse(message: Buffer): Tree {
  let value: unknown
  try {
    value = JSON.parse(message.toString('utf8'))
  } catch (error) {
    throw controlError('a message that is not JSON', undefined, error)
  }
  if (!isPlainObject(value)) throw controlError('a message that is not an object')
  return value
}

/** Sends a message; resolves when the socket takes more. Rejects when the signal is aborted meanwhile. */
export async function sendMessage(socket: Socket, message: object, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!socket.write(`${JSON.stringify(message)}\n`)) await once(socket, 'drain', { signal })
}
