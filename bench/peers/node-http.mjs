// `node node-http.mjs OPTIONS`: a server of node:http that answers by itself; what a handler in JavaScript is held
// against. OPTIONS is JSON: { listen }.
import { createServer } from 'node:http'

const { listen } = JSON.parse(process.argv[2])
const server = createServer((_request, response) => response.end('hello world'))
server.keepAliveTimeout = 3_600_000
server.listen({ host: listen, port: 8000, backlog: 16_384 }, () => console.log('ready'))
