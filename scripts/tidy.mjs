// `npm run tidy [-- FILE...]`: clang-tidy over the native sources that need no DPDK; slow, so not a part of `npm test`.
import { join } from 'node:path'
import { cmakeBuild } from './build/cmake.mjs'
import { run } from './lib/process.mjs'
import { nativeSources, root } from './lib/sources.mjs'
import { findProgram } from './lib/tools.mjs'

if (!findProgram('clang-tidy')) {
  console.error('clang-tidy is not installed: apt-get install clang-tidy')
  process.exit(1)
}
const folder = await cmakeBuild('asan', ['bpf'])
const files = process.argv.length > 2 ? process.argv.slice(2) : nativeSources('core')
run('clang-tidy', ['--quiet', '-p', folder, ...files.map((file) => join(root, file))])
