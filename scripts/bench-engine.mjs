// `npm run bench:engine [-- --json FILE] [--rounds N] [--rows a,b]`: builds the engine's benchmark (bench/engine) and runs
// it: a line of JSON for each row, and the file that all benchmarks write.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cmakeBuild } from './build/cmake.mjs'
import { buildLibrary } from './build/typescript.mjs'

await buildLibrary()
await cmakeBuild('bench', ['engine_bench'])
const { benchEngine, describeCommit, describeMachine, engineCases } = await import('../dist/bench.mjs')

const { values } = parseArgs({
  options: { json: { type: 'string' }, rounds: { type: 'string', default: '5' }, rows: { type: 'string' } },
})
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(`--rounds is a whole number from 1 on, not '${values.rounds}'`)
  process.exit(2)
}
const rows = []
for await (const row of benchEngine(values.rows?.split(',') ?? engineCases, rounds)) {
  rows.push(row)
  console.log(JSON.stringify(row))
}
const file = { machine: describeMachine(), commit: describeCommit(), date: new Date().toISOString(), rows, absent: [] }
if (values.json) writeFileSync(resolve(process.env.INIT_CWD ?? '.', values.json), `${JSON.stringify(file, null, 2)}\n`)
