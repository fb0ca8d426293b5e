// `npm run format`: mends what `npm run lint` checks, as far as a tool can; prints what eslint leaves.
import { join } from 'node:path'
import { nativeFiles } from './lib/files.mjs'
import { collect, run } from './lib/process.mjs'
import { root } from './lib/sources.mjs'
import { clangFormat } from './lib/tools.mjs'

const bin = (name) => join(root, 'node_modules/.bin', name)
const format = clangFormat()
if (format) run(format, ['-i', ...nativeFiles()])
const { output } = await collect(bin('eslint'), ['--fix', '.'])
process.stdout.write(output)
run(bin('prettier'), ['--write', '--log-level=warn', '.'])
