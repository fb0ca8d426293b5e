// `npm test [-- --only native|packetdrill|sim|asan|tsan|fuzz|js|package|lint[,...]] [-- FILE...]`: every kind of test, one total.
// FILE (a part of a name) narrows the JavaScript tests.
import { parseArgs } from 'node:util'
import { lint } from './lint.mjs'
import { asan, native, tsan } from './native.mjs'
import { fuzz } from './fuzz.mjs'
import { javascript } from './javascript.mjs'
import { packaging } from './packaging.mjs'
import { packetdrill } from './packetdrill.mjs'
import { Report } from './report.mjs'
import { simulation } from './simulation.mjs'

const stages = { lint, native, packetdrill, sim: simulation, asan, fuzz, tsan, js: javascript, package: packaging }

const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true })
const chosen = values.only?.split(',') ?? (positionals.length > 0 ? ['js'] : Object.keys(stages))
const unknown = chosen.filter((name) => !(name in stages))
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(', ')} (${Object.keys(stages).join(', ')})`)
  process.exit(2)
}

const report = new Report()
for (const name of Object.keys(stages)) {
  if (chosen.includes(name)) await report.stage(name, () => stages[name](report, positionals))
}
process.exitCode = report.finish() ? 0 : 1
