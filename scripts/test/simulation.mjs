// The simulation, over many seeds: each is a test.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cmakeBuild } from '../build/cmake.mjs'
import { collect } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'

const runs = 10_000
const timeout = 600_000

export async function simulation(report) {
  const folder = await cmakeBuild('native', ['sim'])
  const traces = join(root, 'build/sim')
  mkdirSync(traces, { recursive: true })
  const options = ['--seed', '1', '--runs', String(runs), '--trace', traces]
  const { timedOut, output } = await collect(join(folder, 'sim'), options, { timeout })
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? []
  if (passed === undefined) return report.fail('simulation', timedOut ? 'timed out' : output)
  report.pass(Number(passed))
  for (const [, seed, what] of output.matchAll(/^seed (\d+): ([^]*?)(?=^seed |^\d+ passed)/gm))
    report.fail(`simulation, seed ${seed}`, what)
  if (Number(failed) > 0 && report.failures.length === 0) report.fail('simulation', output)
}
