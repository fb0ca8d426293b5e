// `npm run sim -- [--seed N] [--runs M] [--trace FOLDER]`: whole engines in virtual time, one run for each seed
// (test/sim). A seed that fails is run again with its frames written as pcapng, by default below build/sim.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cmakeBuild } from './build/cmake.mjs'
import { run } from './lib/process.mjs'
import { root } from './lib/sources.mjs'

const { values } = parseArgs({
  options: {
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
mkdirSync(values.trace, { recursive: true })
const folder = await cmakeBuild('native', ['sim'])
try {
  run(join(folder, 'sim'), ['--seed', values.seed, '--runs', values.runs, '--trace', values.trace])
} catch {
  process.exitCode = 1
}
