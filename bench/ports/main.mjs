// `npm run bench:ports -- [--json FILE] [--rounds N] [--cases small,ping,10MB,connect] [--peers ...] [--quick]`: what a
// flow through conntrack and DNAT costs on tap and iface ports, beside forwarders that only carry frames. The proxy has
// core 0, wrk and nginx core 1; peers alternate in each round. Needs root.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { caseNames, idleShare, measure, quiet } from './cases.mjs'
import { buildForwarder, peerNames, withPeer } from './peers.mjs'
import { printTable, Results } from './report.mjs'
import { bodyBytes, Town } from './town.mjs'

const { values: options } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    cases: { type: 'string', default: caseNames.join() },
    peers: { type: 'string', default: peerNames.join() },
    quick: { type: 'boolean', default: false },
  },
})

function chosen(text, known) {
  const names = text.split(',')
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) leave(2, `no such name: ${unknown.join(', ')} (${known.join(', ')})`)
  return names
}

function leave(code, message) {
  console.error(message)
  process.exit(code)
}

function measurePeer(results, town, peer) {
  return withPeer(peer, town.folder, async (url) => {
    for (const name of cases) {
      const { values, problems } = await measure(name, url, { seconds, idle, bodyBytes })
      if (problems) console.error(`${name}/${peer}: ${problems}`)
      for (const [metric, value] of Object.entries(values)) results.add(`${name}/${peer}/${metric}`, value)
    }
  })
}

async function measureAll(town) {
  const results = new Results()
  const missing = new Map()
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers.filter((name) => !missing.has(name))) {
      console.error(`round ${round + 1} of ${rounds}: ${peer}`)
      await measurePeer(results, town, peer).catch((error) => missing.set(peer, error.message))
    }
  }
  for (const [peer, why] of missing) for (const name of cases) results.absent.push({ name: `${name}/${peer}`, why })
  return results
}

const cases = chosen(options.cases, caseNames)
const peers = chosen(options.peers, peerNames)
const rounds = options.quick ? 1 : Number(options.rounds)
const seconds = Number(options.seconds ?? (options.quick ? 1 : 3))
if (!(rounds >= 1) || !(seconds >= 1)) leave(2, 'rounds and seconds must be numbers from 1 on')
if (process.getuid() !== 0) leave(1, 'bench:ports makes network namespaces and loads eBPF: run it as root')

const town = new Town()
// However we end: the programs are killed, and nothing is left of the namespaces.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.once(signal, () => process.exit(code))
process.once('exit', () => town.remove())

await town.open()
buildForwarder(town.folder)
const share = await idleShare()
// Work of others gives way to ours: to subtract it would make cpu_us too small by far.
const idle = share > quiet ? 0 : share
if (share > quiet)
  console.error(`core 0 is ${Math.round(share * 100)} % busy with other work, which cpu_us then contains`)
const results = await measureAll(town)
await town.close()
printTable(results.rows())
for (const { name, why } of results.absent) console.error(`absent: ${name}: ${why}`)
if (options.json)
  writeFileSync(resolve(process.env.INIT_CWD ?? '.', options.json), `${JSON.stringify(results.json(), null, 2)}\n`)
process.exitCode = results.absent.length > 0 ? 1 : 0
