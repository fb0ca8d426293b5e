// `npm run bench:peers -- [--quick] ...`: `flatproxy bench` of this clone, with its results in bench/results, or in
// bench/results/tmp when only some of the cases or peers are measured. `--readme` writes them into the README as well.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const args = process.argv.slice(2)
const options = args.filter((word) => word !== '--readme')
const isPart = options.some((word) => /^--(quick|cases|peers|rounds|seconds)\b/.test(word))
const readme = args.length > options.length
const out = options.some((word) => /^--out\b/.test(word))
  ? []
  : ['--out', here(isPart && !readme ? 'results/tmp' : 'results')]

// The programs that it starts are in our process group and hear an interrupt themselves: it ends what it began.
process.on('SIGINT', () => {})
const cwd = process.env.INIT_CWD ?? process.cwd()
const command = [here('../dist/cli/main.js'), 'bench', ...out, ...options]
const { status } = spawnSync(process.execPath, command, { stdio: 'inherit', cwd })
if (readme && status !== 1) await import('./readme.mjs')
process.exitCode = status ?? 1
