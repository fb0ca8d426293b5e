// `npm run bench:profile -- [--cases l4-small,small] [--peers ...] [--seconds N] [--docs]`: where the time of the proxy's
// core goes per request, by sampling it (perf, by its clock: virtual machines seldom have counters). Writes
// bench/results/profile.md; `--docs` puts the tables into docs/performance.md as well. Needs root and perf.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { describeMachine, peerNames } from '../dist/bench.mjs'

const require = createRequire(import.meta.url)
const { caseOf } = require('../dist/bench/cases.js')
const { chooseWork } = require('../dist/bench/choose.js')
const { machineLine } = require('../dist/bench/machine.js')
const { markdownTable, short } = require('../dist/bench/report/format.js')
const { measureSaturated, place, withPeer } = require('../dist/bench/run/round.js')
const { cores, Town } = require('../dist/bench/town/town.js')
const here = (path) => fileURLToPath(new URL(path, import.meta.url))

const { values: options } = parseArgs({
  options: {
    cases: { type: 'string', default: 'l4-small,small' },
    peers: { type: 'string', default: peerNames.filter((name) => name !== 'direct').join() },
    seconds: { type: 'string', default: '3' },
    docs: { type: 'boolean', default: false },
  },
})
const chosen = { cases: options.cases.split(','), peers: options.peers.split(','), seconds: Number(options.seconds) }
const { plan } = chooseWork(chosen)

// What a sample is counted as: the first that fits. Idle time is left out.
// prettier-ignore
const classes = [
  ['idle',              /^(default_idle|.*_safe_halt|.*idle_enter|mwait|do_idle|cpuidle|poll_idle|cpu_startup_entry)/],
  ['copies',            /copy|memmove|memcpy|rep_movs|csum_partial/],
  ['eBPF, tc',          /^(bpf_|__bpf|tcf_|tcx_|cls_|sch_|___bpf)/],
  ['tap',               /^(tun_|tap_|__tun)/],
  ['netfilter',         /^(nf_|nft_|__nf|ipt_)/],
  ['TCP, IP, sockets',  /^(_*tcp_|_*ip_|_*inet_|ipv4_|_*sk_|sock_|_*dst_|fib_|raw_|udp_|arp_|neigh_|bbr_|cubictcp)/],
  ['frames, devices',   /^(_*netif_|_*dev_|net_rx|process_backlog|_*napi_|veth_|_*skb_|_*alloc_skb|kfree_skb|consume_skb|build_skb|gro_|eth_|validate_xmit|_*netdev|_*qdisc|page_pool|enqueue_to_backlog|rps)/],
  ['memory',            /^(kmem_|_*kmalloc|k?v?free|_*alloc_pages|_*free_|page_frag|_*slab|clear_page|rmqueue|get_page)/],
  ['scheduling, epoll', /^(ep_|_*epoll|schedule|_*schedule|pick_|try_to_wake|finish_task|_*wake|select_task|dequeue_|enqueue_|update_|hrtimer|_*poll|eventfd|_raw_|ttwu|psi_|tick_|_*switch_to|set_next|put_prev|native_)/],
  ['system calls',      /^(entry_|syscall|do_syscall|_*fdget|_*x64_sys|ksys_|vfs_|_*fput|sys_|x64_sys|exit_to_user|rw_verify|import_)/],
]

function classOf(object, symbol) {
  if (object.startsWith('[kernel') || object.startsWith('[k]') || (/^\[.*\]$/.test(object) && !/JIT/.test(object)))
    return classes.find(([, pattern]) => pattern.test(symbol))?.[0] ?? 'kernel, other'
  if (/libc\.so|libc-|ld-linux|vdso|libpthread/.test(object)) return 'C library'
  if (/libssl|libcrypto/.test(object)) return 'TLS library'
  return 'program'
}

// Samples by class, of what perf recorded.
function readSamples(file) {
  const format = ['--stdio', '--no-children', '-g', 'none', '-F', 'sample,dso,sym', '-t', ';']
  const report = execFileSync('perf', ['report', '-i', file, ...format], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const counts = new Map()
  for (const line of report.split('\n')) {
    const [, count, object, symbol] = /^\s*(\d+)\s*;([^;]+);\s*\[.\]\s*(.*?)\s*$/.exec(line) ?? []
    if (count === undefined) continue
    const name = classOf(object.trim(), symbol)
    counts.set(name, (counts.get(name) ?? 0) + Number(count))
  }
  counts.delete('idle')
  return counts
}

async function profile(town, work, peer) {
  const file = `${town.folder}/perf.data`
  const site = { town, cache: plan.cache, environment: {} }
  return withPeer(peer, site, work, async (opened) => {
    if (peer.inKernel) place(peer, opened, work)
    const record = ['record', '-q', '-C', String(cores.proxy), '-e', 'cpu-clock', '-F', '9999', '-o', file]
    const perf = spawn('perf', record, { stdio: 'ignore' })
    const ended = once(perf, 'close')
    await sleep(500) // until it samples
    const { values } = await measureSaturated(town, work, opened.target(work), { seconds: plan.seconds, idle: 0 })
    perf.kill('SIGINT')
    await ended
    return { cpu: values.cpu_us, counts: readSamples(file) }
  })
}

function tableOf(work, profiles) {
  const total = (counts) => [...counts.values()].reduce((sum, count) => sum + count, 0)
  const names = ['program', 'C library', 'TLS library', ...classes.map(([name]) => name), 'kernel, other']
  const used = names.filter((name) => profiles.some(({ counts }) => counts.has(name)))
  const lines = profiles.map(({ peer, cpu, counts }) => [
    peer,
    short(cpu),
    ...used.map((name) => short((cpu * (counts.get(name) ?? 0)) / Math.max(1, total(counts)))),
  ])
  return `\`${work.name}\`, CPU µs per request:\n\n${markdownTable([['', 'all', ...used], ...lines])}`
}

async function profileAll(town) {
  const tables = []
  for (const work of plan.cases) {
    const profiles = []
    for (const peer of plan.peers) {
      if (peer.refuses(work) !== undefined || (await peer.lacks?.(plan.cache)) !== undefined) continue
      console.error(`${work.name}: ${peer.name}`)
      profiles.push({ peer: peer.name, ...(await profile(town, work, peer)) })
    }
    tables.push(tableOf(caseOf(work.name), profiles))
  }
  return tables
}

const town = new Town()
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.once(signal, () => process.exit(code))
await town.open()
const tables = await profileAll(town).finally(() => town.close())
const command = `npm run bench:profile -- --cases ${options.cases}`
const text = `${new Date().toISOString().slice(0, 10)}, ${machineLine(describeMachine())}; \`${command}\`.\n\n${tables.join('\n\n')}\n`
console.log(text)
mkdirSync(here('results'), { recursive: true })
writeFileSync(here('results/profile.md'), text)
if (options.docs) {
  const page = here('../docs/performance.md')
  const between = /(<!-- bench:profile -->\n)[^]*?(<!-- \/bench:profile -->)/
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(between, (_, first, last) => `${first}\n${text}\n${last}`),
  )
}
