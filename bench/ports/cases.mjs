// The cases: wrk against nginx for some seconds, with the work of core 0 meanwhile.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { client } from './town.mjs'
import { Running } from './programs.mjs'

const cases = {
  small: { path: '/small', connections: 32, metrics: ['rps', 'cpu_us'] },
  ping: { path: '/small', connections: 1, metrics: ['rps', 'p50_us', 'cpu_us'] },
  '10MB': { path: '/10MB', connections: 8, metrics: ['gbps', 'cpu_us'] },
  connect: { path: '/small', connections: 32, headers: ['Connection: close'], metrics: ['rps', 'cpu_us'] },
}

export const caseNames = Object.keys(cases)

export const units = {
  rps: { unit: 'requests/s', better: 'more' },
  gbps: { unit: '10^9 bit/s', better: 'more' },
  cpu_us: { unit: 'us', better: 'less' },
  p50_us: { unit: 'us', better: 'less' },
}

const ticksPerSecond = 100

// Seconds that core 0 was not idle (time that the hypervisor took is not counted) and their clock.
function busyTime() {
  const fields = readFileSync('/proc/stat', 'utf8')
    .match(/^cpu0 (.*)$/m)[1]
    .split(' ')
    .map(Number)
  const [user, nice, system, , , interrupt, softInterrupt] = fields
  return { busy: (user + nice + system + interrupt + softInterrupt) / ticksPerSecond, at: performance.now() / 1000 }
}

export const quiet = 0.05

// What core 0 does, as a share, when it has nothing to do for us: the least in some seconds, until it is quiet.
export async function idleShare() {
  let least = 1
  for (let second = 0; second < 10 && least > quiet; second++) {
    const before = busyTime()
    await sleep(1_000)
    const after = busyTime()
    least = Math.min(least, (after.busy - before.busy) / (after.at - before.at))
  }
  return least
}

const scales = { us: 1, ms: 1e3, s: 1e6, m: 6e7 }
function microseconds(text) {
  const [, value, unit] = text.match(/^([\d.]+)(us|ms|s|m)$/)
  return Number(value) * scales[unit]
}

// wrk's own words: "312 requests in 3.01s, 3.05GB read", " 50%  41.00us", "Socket errors: connect 0, ...".
export function readWrk(output) {
  const [, requests, time] = output.match(/(\d+) requests in ([\d.]+\w+),/)
  const seconds = microseconds(time) / 1e6
  const problems = output.match(/(Socket errors|Non-2xx).*/)?.[0]
  return { requests: Number(requests), seconds, p50: microseconds(output.match(/50%\s+(\S+)/)[1]), problems }
}

// The case's metrics for the peer that answers at `url`; `idle`: the idle share of this round.
export async function measure(name, url, { seconds, idle, bodyBytes }) {
  const { path, connections, headers = [], metrics } = cases[name]
  const options = [`-c${connections}`, '-t1', `-d${seconds}s`, '--latency', ...headers.flatMap((line) => ['-H', line])]
  const before = busyTime()
  const wrk = new Running(['wrk', ...options, url + path], { netns: client, core: 1 })
  const output = await wrk.output()
  const after = busyTime()
  const { requests, seconds: taken, p50, problems } = readWrk(output)
  const busy = after.busy - before.busy - idle * (after.at - before.at)
  const values = {
    rps: requests / taken,
    gbps: (requests * bodyBytes * 8) / taken / 1e9,
    cpu_us: (busy * 1e6) / Math.max(requests, 1),
    p50_us: p50,
  }
  return { values: Object.fromEntries(metrics.map((metric) => [metric, values[metric]])), problems }
}
