import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { FlatProxyError } from '../../errors.js'
import { end, spawnIn } from './process.js'
import { shopPort, type Container } from './town.js'

/** An HTTP server that runs in its container. */
export interface Shop {
  readonly container: Container
  /** Downloads that were begun. */
  readonly downloads: () => number
  close(): void
}

/** Starts a shop's server; resolves when it listens. */
export async function openShop(container: Container): Promise<Shop> {
  const child = spawnIn(container, process.execPath, [join(__dirname, 'server.js'), container.name, String(shopPort)])
  let said = ''
  let downloads = 0
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => (downloads += line === 'download' ? 1 : 0))
  const ended = once(child, 'close').then(() => {
    throw new FlatProxyError('ERR_FLATPROXY_INTERNAL', `the server of ${container.name} ended: ${said.trim()}`)
  })
  ended.catch(() => {}) // at our own end nobody asks
  await Promise.race([once(lines, 'line'), ended])
  return { container, downloads: () => downloads, close: () => end(child) }
}
