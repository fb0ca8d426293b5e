// `npm run bench:engine [-- --json FILE ...]`: builds the engine's benchmark (bench/engine) and runs it with these arguments.
import { join } from 'node:path'
import { cmakeBuild } from './build/cmake.mjs'
import { run } from './lib/process.mjs'

const folder = await cmakeBuild('bench', ['engine_bench'])
run(join(folder, 'engine_bench'), process.argv.slice(2), { cwd: process.env.INIT_CWD ?? process.cwd() })
