// A short run of every fuzzer, two at a time; each counts as one test.
import { buildFuzzers, fuzzerNames } from '../lib/fuzzers.mjs'
import { collect } from '../lib/process.mjs'
import { sanitizerEnv, withoutAslr } from './native.mjs'

const budgetSeconds = 90
const atOnce = 2

async function fuzzOne(report, name, seconds, commandOf) {
  const [program, ...args] = withoutAslr(commandOf(name, seconds))
  const env = { ...process.env, ...sanitizerEnv }
  const { code, timedOut, output } = await collect(program, args, { timeout: (seconds + 60) * 1000, env })
  const runs = Number(output.match(/stat::number_of_executed_units:\s*(\d+)/)?.[1] ?? 0)
  if (code === 0 && runs > 0) return report.pass()
  report.fail(`fuzz ${name}`, `${timedOut ? 'timed out' : `exit code ${code}, ${runs} runs`}\n${output.slice(-6000)}`)
}

export async function fuzz(report) {
  const names = fuzzerNames()
  if (names.length === 0) return report.skip('fuzz', 'test/fuzz holds no fuzzer')
  const seconds = Math.max(2, Math.min(10, Math.floor((budgetSeconds * atOnce) / names.length)))
  const commandOf = await buildFuzzers(names)
  const queue = [...names]
  const worker = async () => {
    for (let name = queue.shift(); name; name = queue.shift()) await fuzzOne(report, name, seconds, commandOf)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
