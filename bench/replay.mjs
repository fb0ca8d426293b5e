// `npm run bench:replay -- [--packets N] [--rounds N] [--write]`: how fast a capture goes through a mesh with policies,
// and what memory that takes. The capture (bench/capture.mjs) lies on the disk, and in its cache, before it is timed.
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { defineMesh, replay } from '../dist/index.mjs'
import { captureOf } from './capture.mjs'

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
})
const packets = Number(values.packets)

const mesh = defineMesh({
  ports: {
    uplink: { type: 'memory', own: ['10.0.0.254/16', 'fd00::ff/32'] },
    pods: { type: 'memory', own: ['10.1.0.254/16', 'fd01::ff/32'] },
  },
  policies: [
    { name: 'no-db', to: { cidr: '10.1.0.0/16' }, ports: [{ protocol: 'tcp', port: 5432 }], action: 'deny' },
    {
      name: 'web',
      to: { cidr: ['10.1.0.0/17', 'fd01::/64'] },
      from: { cidr: ['10.0.0.0/16', 'fd00::/32'] },
      action: 'allow',
    },
  ],
})

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-bench-'))
try {
  const path = join(folder, 'in.pcap')
  const file = createWriteStream(path)
  for (const chunk of captureOf({ packets })) if (!file.write(chunk)) await once(file, 'drain')
  await new Promise((resolve) => file.end(resolve))
  const rates = []
  let last
  for (let round = 0; round < Number(values.rounds); round++) {
    const start = performance.now()
    const outputs = values.write ? { pods: join(folder, 'out.pcapng') } : {}
    last = await replay({ mesh, inputs: { uplink: path }, outputs, seed: 1 })
    rates.push(packets / (performance.now() - start) / 1000)
  }
  rates.sort((a, b) => a - b)
  const megabytes = (bytes) => (bytes / 1e6).toFixed(0)
  console.log(`${packets} packets, ${megabytes(statSync(path).size)} MB, ${last.flowCount} flows`)
  console.log(
    `  ${rates[rates.length >> 1].toFixed(2)} M packets/s (median of ${rates.length}; ${rates[0].toFixed(2)} to ${rates.at(-1).toFixed(2)})`,
  )
  console.log(`  ${megabytes(process.resourceUsage().maxRSS * 1024)} MB of memory at most, Node included`)
  console.log('  ', JSON.stringify(last.reasons), JSON.stringify(last.policies))
} finally {
  rmSync(folder, { recursive: true })
}
