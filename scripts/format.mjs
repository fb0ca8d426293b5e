// `npm run format`: mends what `npm run lint` checks, as far as a tool can.
import { join } from 'node:path'
import { nativeFiles } from './lib/files.mjs'
import { run } from './lib/process.mjs'
import { root } from './lib/sources.mjs'
import { clangFormat } from './lib/tools.mjs'

const bin = (name) => join(root, 'node_modules/.bin', name)
run(bin('eslint'), ['--fix', '--quiet', '.'])
run(bin('prettier'), ['--write', '--log-level=warn', '.'])
const format = clangFormat()
if (format) run(format, ['-i', ...nativeFiles()])
