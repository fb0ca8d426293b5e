import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIPv6, type AddressInfo } from 'node:net'
import { FlatProxyError, type ErrorCode } from '../errors.js'
import { openMetrics, openMetricsType } from '../metrics.js'
import type { FlatProxy } from '../proxy/flat-proxy.js'
import { UsageError } from './exit.js'
import type { Readiness } from './readiness.js'

/** Where the HTTP server of `run --admin` listens. */
export interface AdminAddress {
  readonly host: string
  readonly port: number
}

/** An HTTP server that tells of a proxy. */
export interface Admin {
  /** Where it listens, as in a URL. */
  readonly address: string
  close(): Promise<void>
}

const limits = { connections: 64, headerBytes: 8_192, headers: 5_000, request: 10_000, idle: 30_000 } as const

const codes: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'ERR_FLATPROXY_IN_USE',
  EACCES: 'ERR_FLATPROXY_PERMISSION',
  EADDRNOTAVAIL: 'ERR_FLATPROXY_NOT_FOUND',
  ENOTFOUND: 'ERR_FLATPROXY_NOT_FOUND',
}

/** `host:port`, `[v6]:port`, or `:port` of the loopback. */
export function adminAddress(text: string): AdminAddress {
  const [, v6, name = '', digits] = /^(?:\[([^\]]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535 || (v6 !== undefined && !isIPv6(v6)))
    throw new UsageError(`--admin is an address such as 127.0.0.1:9090, [::1]:9090 or :9090, not '${text}'`, 'run')
  return { host: v6 ?? (name || '127.0.0.1'), port }
}

/**
 * Serves `GET /metrics` and `GET /ready` over HTTP. It does not keep the process alive.
 *
 * @throws `ERR_FLATPROXY_IN_USE`, `_PERMISSION`, `_NOT_FOUND` or `_SYSTEM` when it cannot listen there
 */
export async function openAdmin(at: AdminAddress, proxy: Pick<FlatProxy, 'stats'>, ready: Readiness): Promise<Admin> {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headers,
      requestTimeout: limits.request,
      keepAliveTimeout: limits.idle,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => void answer(request, response, proxy, ready),
  )
  server.maxConnections = limits.connections
  server.setTimeout(limits.idle + 1_000)
  server.on('connection', (socket) => socket.unref())
  server.unref()
  await listen(server, at)
  const { address, port } = server.address() as AddressInfo
  const close = () => new Promise<void>((done) => (server.close(() => done()), server.closeAllConnections()))
  return { address: `http://${isIPv6(address) ? `[${address}]` : address}:${port}`, close }
}

function listen(server: Server, { host, port }: AdminAddress): Promise<void> {
  return new Promise((done, fail) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const message = `cannot listen on ${isIPv6(host) ? `[${host}]` : host}:${port} for --admin: ${error.message}`
      const remedy = 'Choose another address or port: --admin ADDR.'
      fail(new FlatProxyError(codes[error.code ?? ''] ?? 'ERR_FLATPROXY_SYSTEM', message, { cause: error, remedy }))
    }
    server.once('error', failed)
    server.listen({ host, port }, () => (server.off('error', failed), done()))
  })
}

interface Page {
  readonly status: number
  readonly type?: string
  readonly text: string
}

type Ask = (proxy: Pick<FlatProxy, 'stats'>, ready: Readiness) => Page | Promise<Page>

const pages: Readonly<Record<string, Ask>> = {
  '/metrics': async (proxy) => ({ status: 200, type: openMetricsType, text: openMetrics(await proxy.stats()) }),
  '/ready': (_, ready) => {
    const reasons = ready.reasons()
    return reasons.length === 0 ? { status: 200, text: 'ready\n' } : { status: 503, text: `${reasons.join('\n')}\n` }
  },
}

async function answer(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  proxy: Pick<FlatProxy, 'stats'>,
  ready: Readiness,
): Promise<void> {
  const { status, type = 'text/plain; charset=utf-8', text } = await pageOf(method, url, proxy, ready)
  const body = Buffer.from(text)
  response.writeHead(status, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-store',
    ...(status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(body)
}

async function pageOf(method: string | undefined, url: string, ...about: Parameters<Ask>): Promise<Page> {
  const path = url.split('?', 1)[0]!
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  if (!page) return { status: 404, text: `there are ${Object.keys(pages).join(' and ')}\n` }
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'GET and HEAD are allowed\n' }
  try {
    return await page(...about)
  } catch (error) {
    const ending = error instanceof FlatProxyError && error.code === 'ERR_FLATPROXY_CLOSED'
    return { status: ending ? 503 : 500, text: `${(error as Error).message}\n` }
  }
}
