// `npm run sim -- [--kind tcp|http] [--seed N] [--runs M] [--trace FOLDER]`: whole engines in virtual time, one run for
// each seed and kind (test/sim), without --kind for both. A seed that fails is run again with its frames written as
// pcapng, by default below build/sim.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cmakeBuild } from './build/cmake.mjs'
import { run } from './lib/process.mjs'
import { root } from './lib/sources.mjs'

const { values } = parseArgs({
  options: {
    kind: { type: 'string' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    trace: { type: 'string', default: join(root, 'build/sim') },
  },
})
for (const name of ['seed', 'runs'])
  if (!/^\d+$/.test(values[name])) {
    console.error(`--${name} is a whole number, not '${values[name]}'`)
    process.exit(2)
  }
if (values.kind !== undefined && !['tcp', 'http'].includes(values.kind)) {
  console.error(`--kind is tcp or http, not '${values.kind}'`)
  process.exit(2)
}
mkdirSync(values.trace, { recursive: true })
const folder = await cmakeBuild('native', ['sim'])
const kind = values.kind === undefined ? [] : ['--kind', values.kind]
try {
  run(join(folder, 'sim'), [...kind, '--seed', values.seed, '--runs', values.runs, '--trace', values.trace])
} catch {
  process.exitCode = 1
}
