// `node http-proxy.cjs OPTIONS`: the npm package http-proxy as its users run it, with a keep-alive agent.
// OPTIONS is JSON: { listen, server, key, cert, routes }.
const http = require('node:http')
const https = require('node:https')
const { readFileSync } = require('node:fs')
const { createProxyServer } = require('http-proxy')

const { listen, server, key, cert, routes } = JSON.parse(process.argv[2])
const target = `http://${server}:8080`
const proxy = createProxyServer({ agent: new http.Agent({ keepAlive: true, maxSockets: 256 }) })
proxy.on('error', (_error, _request, response) => response.destroy())

// It has no routes of its own: its users write a look-up.
const targets = new Map(routes.map((prefix) => [prefix, target]))
const carry = (request, response) => proxy.web(request, response, { target })
function route(request, response) {
  const prefix = request.url.slice(0, request.url.indexOf('/', 1) + 1)
  if (targets.has(prefix)) proxy.web(request, response, { target: targets.get(prefix) })
  else response.writeHead(404).end()
}

const tls = { key: readFileSync(key), cert: readFileSync(cert) }
const servers = [
  [http.createServer(carry), 8000],
  [https.createServer(tls, carry), 8443],
  [http.createServer(route), 8002],
]
let waiting = servers.length
for (const [each, port] of servers) {
  each.keepAliveTimeout = 3_600_000
  each.listen({ host: listen, port, backlog: 16_384 }, () => --waiting === 0 && console.log('ready'))
}
