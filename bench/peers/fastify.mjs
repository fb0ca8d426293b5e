// `node fastify.mjs OPTIONS`: the npm package @fastify/http-proxy as its users run it, on undici's pools, log off.
// OPTIONS is JSON: { listen, server, key, cert, routes }.
import { readFileSync } from 'node:fs'
import fastify from 'fastify'
import httpProxy from '@fastify/http-proxy'

const { listen, server, key, cert, routes } = JSON.parse(process.argv[2])
const upstream = `http://${server}:8080`
// It passes the server's `connection: keep-alive` on, also when it closes the client's connection after the answer.
const replyOptions = {
  rewriteHeaders(headers) {
    delete headers.connection
    return headers
  },
}
const undici = { connections: 128, pipelining: 1 }

async function open(port, prefixes, https) {
  const app = fastify({ logger: false, keepAliveTimeout: 3_600_000, ...(https && { https }) })
  for (const prefix of prefixes) {
    await app.register(httpProxy, { upstream, undici, replyOptions, prefix, rewritePrefix: prefix })
  }
  await app.listen({ host: listen, port, backlog: 16_384 })
}

await open(8000, [''])
await open(8443, [''], { key: readFileSync(key), cert: readFileSync(cert) })
if (routes.length > 0)
  await open(
    8002,
    routes.map((prefix) => prefix.replace(/\/$/, '')),
  )
console.log('ready')
