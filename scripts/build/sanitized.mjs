// `npm run build:sanitized`: the addon under ASAN+UBSAN, by cmake-js out of CMakeLists.txt; prints how to run with it.
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'

const folder = 'build/sanitized'
const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js')
await runQuiet(process.execPath, [cmakeJs, 'build', '--out', folder, '--CDSANITIZE=address', '--target', 'flatproxy_addon'])
const runtime = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
console.log(`${folder}/flatproxy.node; run with LD_PRELOAD=${runtime} ASAN_OPTIONS=detect_leaks=0`)
