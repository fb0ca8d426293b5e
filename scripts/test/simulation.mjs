// The simulations, over many seeds: each is a test.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cmakeBuild } from '../build/cmake.mjs'
import { collect } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'

const runs = { tcp: 10_000, http: 500 }
const timeout = 600_000

export async function simulation(report) {
  const folder = await cmakeBuild('native', ['sim'])
  const traces = join(root, 'build/sim')
  mkdirSync(traces, { recursive: true })
  await Promise.all(
    Object.entries(runs).map(async ([kind, count]) => {
      const options = ['--kind', kind, '--seed', '1', '--runs', String(count), '--trace', traces]
      const { timedOut, output } = await collect(join(folder, 'sim'), options, { timeout })
      take(report, kind, timedOut ? 'timed out' : output)
    }),
  )
}

/** Counts what a run of the program has printed. */
function take(report, kind, output) {
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? []
  if (passed === undefined) return report.fail(`simulation of ${kind}`, output)
  report.pass(Number(passed))
  const failures = [...output.matchAll(/^(\w+ seed \d+): ([^]*?)(?=^\w+ seed |^\d+ passed)/gm)]
  for (const [, seed, what] of failures) report.fail(`simulation, ${seed}`, what)
  if (Number(failed) > 0 && failures.length === 0) report.fail(`simulation of ${kind}`, output)
}
