// `npm run bench:api -- [--json FILE]`: what the JavaScript side costs: defineMesh, checkMesh, apply, patch, stats, going
// through the flows. One lane between memory ports; no privilege. Timed by the npm package benchmark, as npm packages are.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import Benchmark from 'benchmark'
import { describeMachine, describeCommit } from '../dist/bench.mjs'
import { checkMesh, defineMesh, FlatProxy, openMetrics } from '../dist/index.mjs'
import { buildTests } from '../scripts/build/typescript.mjs'

const count = 1_000
const { values: options } = parseArgs({ options: { json: { type: 'string' } } })

const numbers = Array.from({ length: count }, (_, index) => index)
const meshOfMany = () => ({
  ports: {
    uplink: { type: 'memory', own: ['192.0.2.1/24'] },
    shops: { type: 'memory', own: ['10.0.0.1/16'] },
  },
  flows: { timeouts: { udp: '1h' } },
  workloads: Object.fromEntries(
    numbers.map((i) => [`shop-${i}`, { on: 'shops', addresses: [`10.0.${1 + (i >> 8)}.${i & 255}`] }]),
  ),
  services: {
    shop: {
      address: '10.96.0.10',
      port: 80,
      protocol: 'udp',
      endpoints: numbers.map((i) => ({ workload: `shop-${i}`, port: 8080 })),
    },
  },
})

// A flow for each UDP datagram of another client's port.
async function openFlows(proxy) {
  await buildTests()
  const { Host } = await import('../build/test/proxy/host.js')
  const client = await new Host(proxy.port('uplink'), '02:00:00:00:00:0a', '192.0.2.10', '192.0.2.1').join()
  for (const i of numbers) client.send({ protocol: 'udp', from: `192.0.2.10:${1024 + i}`, to: '10.96.0.10:80' })
  while ((await proxy.stats()).services.shop.activeFlows < count) await new Promise((done) => setTimeout(done, 10))
}

const mesh = defineMesh(meshOfMany())
const proxy = await FlatProxy.start({ mesh, lanes: 1 })
await openFlows(proxy)

let weight = 1
function patchOne() {
  weight = 3 - weight
  const endpoints = mesh.services.shop.endpoints.with(0, { ...mesh.services.shop.endpoints[0], weight })
  return proxy.patch({ services: { shop: { endpoints } } })
}

async function listFlows() {
  let listed = 0
  for await (const flow of proxy.flows()) if (flow.from) listed++
  if (listed < count) throw new Error(`${listed} flows were listed, ${count} were opened`)
}

const cases = {
  'define-mesh-1k': () => defineMesh(meshOfMany()),
  'check-mesh-1k': () => checkMesh(meshOfMany()),
  'apply-same-1k': () => proxy.apply(mesh),
  'patch-one-of-1k': patchOne,
  stats: () => proxy.stats(),
  'stats-openmetrics': async () => openMetrics(await proxy.stats()),
  'flows-1k': listFlows,
}

// Rows in ns, a round for each of benchmark's samples.
function rowOf({ name, stats }) {
  const rounds = stats.sample.map((seconds) => seconds * 1e9)
  const value = [...rounds].sort((a, b) => a - b)[rounds.length >> 1]
  return { name, value, unit: 'ns', better: 'less', rounds }
}

const measure = (name, call) =>
  new Promise((done, failed) => {
    const fn = async (deferred) => {
      try {
        await call()
        deferred.resolve()
      } catch (error) {
        failed(error)
      }
    }
    const onComplete = ({ target }) => done(target)
    new Benchmark(name, { defer: true, fn, onComplete, minSamples: 20, maxTime: 3 }).run({ async: true })
  })

const rows = []
for (const [name, call] of Object.entries(cases)) {
  const result = await measure(name, call)
  rows.push(rowOf(result))
  const { value } = rows.at(-1)
  console.log(`${name.padEnd(18)} ${(value / 1000).toFixed(1).padStart(10)} µs  ±${result.stats.rme.toFixed(1)} %`)
}
await proxy.close()
const file = { machine: describeMachine(), commit: describeCommit(), date: new Date().toISOString(), rows, absent: [] }
if (options.json)
  writeFileSync(resolve(process.env.INIT_CWD ?? '.', options.json), `${JSON.stringify(file, null, 2)}\n`)
