// `npm run fuzz [-- NAME...] [-- --seconds N]`: longer runs, one fuzzer after the other; new inputs worth keeping are merged
// into test/fuzz/corpus/NAME.
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { buildFuzzers, fuzzerNames } from './lib/fuzzers.mjs'
import { run } from './lib/process.mjs'
import { root } from './lib/sources.mjs'
import { sanitizerEnv, withoutAslr } from './test/native.mjs'

const { values, positionals } = parseArgs({ options: { seconds: { type: 'string' } }, allowPositionals: true })
const names = positionals.length > 0 ? positionals : fuzzerNames()
const commandOf = await buildFuzzers(names)
const env = { ...process.env, ...sanitizerEnv }
for (const name of names) {
  console.log(`== ${name}`)
  const command = withoutAslr(commandOf(name, Number(values.seconds ?? 60)))
  run(command[0], command.slice(1), { env })
  const [kept, work] = [join(root, 'test/fuzz/corpus', name), join(root, 'build/fuzz', name)]
  const merge = withoutAslr([commandOf(name, 0)[0], '-merge=1', kept, work])
  run(merge[0], merge.slice(1), { env, stdio: ['ignore', 'inherit', 'ignore'] })
}
