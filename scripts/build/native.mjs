// Builds build/Release/flatproxy.node with node-gyp; incremental, and done at once when nothing is newer.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { filesUnder, isStale, step } from '../lib/stale.mjs'
import { findProgram } from '../lib/tools.mjs'
import { buildBpf } from './bpf.mjs'
import { nodeDir } from './nodedir.mjs'

export const addon = 'build/Release/flatproxy.node'
const configuration = [
  'binding.gyp',
  'native/sources.txt',
  'scripts/lib/dpdk.mjs',
  'scripts/lib/sources.mjs',
  'scripts/build/nodedir.mjs',
  'package-lock.json',
]

function environment() {
  const ccache = findProgram('ccache')
  return { ...process.env, ...(ccache && { CC: `${ccache} cc`, CXX: `${ccache} c++` }) }
}

async function build() {
  console.log('building the native addon')
  buildBpf() // binding.gyp does it too, but make has by then looked at the headers, and would build with the last ones
  const nodeGyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js')
  const options = [`--nodedir=${nodeDir()}`, '--release']
  const gyp = (...args) => runQuiet(process.execPath, [nodeGyp, ...args, ...options], { env: environment() })
  if (isStale('build/Makefile', configuration)) await gyp('configure')
  await gyp('build', '-j', String(availableParallelism()))
}

export const buildNative = () =>
  step('addon', { outputs: [addon], inputs: [...configuration, ...filesUnder('native')] }, build)

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildNative()
