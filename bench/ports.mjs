// `npm run bench:ports -- [--json FILE] [--rounds N] [--cases small,ping,10MB,connect] [--peers ...] [--quick]`: what a
// flow through conntrack and DNAT costs on tap and iface ports, beside forwarders that only carry frames: the `l4-` cases
// of the side-by-side runs, at saturation only, under their plain names. Needs root.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchReport, renderTable } from '../dist/bench.mjs'

const caseNames = ['small', 'ping', '10MB', 'connect']
const peerNames = ['forwarder', 'flatproxy-tap', 'forwarder-iface', 'flatproxy-iface']

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      cases: { type: 'string', default: caseNames.join() },
      peers: { type: 'string', default: peerNames.join() },
      quick: { type: 'boolean', default: false },
    },
  })
  const cases = chosen(values.cases, caseNames)
  const peers = chosen(values.peers, peerNames)
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  const seconds = Number(values.seconds ?? (values.quick ? 1 : 3))
  return { json: values.json, cases, peers, rounds, seconds }
}

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

const { json, cases, peers, rounds, seconds } = readOptions()
const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => abort.abort())
const onProgress = ({ text }) => console.error(text)
const options = { cases: cases.map((name) => `l4-${name}`), peers, rounds, seconds, load: false, onProgress }
try {
  const report = await benchReport({ ...options, signal: abort.signal }, 'npm run bench:ports')
  console.log(renderTable(report))
  const plain = (entries) => entries.map((entry) => ({ ...entry, name: entry.name.replace(/^l4-/, '') }))
  const { machine, commit, date, rows, absent } = report
  const file = { machine, commit, date, rows: plain(rows), absent: plain(absent) }
  if (json) writeFileSync(resolve(process.env.INIT_CWD ?? '.', json), `${JSON.stringify(file, null, 2)}\n`)
  process.exitCode = absent.length > 0 ? 1 : 0
} catch (error) {
  const codes = { ERR_FLATPROXY_ARGUMENT: 2, ERR_FLATPROXY_PERMISSION: 4, ERR_FLATPROXY_NOT_FOUND: 4 }
  leave(
    abort.signal.aborted ? 130 : (codes[error.code] ?? 1),
    `${error.message}${error.remedy ? `\n${error.remedy}` : ''}`,
  )
}
