// `npm run format`: writes what `npm run lint` checks.
import { join } from 'node:path'
import { nativeFiles } from './lib/files.mjs'
import { run } from './lib/process.mjs'
import { root } from './lib/sources.mjs'
import { clangFormat } from './lib/tools.mjs'

run(join(root, 'node_modules/.bin/prettier'), ['--write', '--log-level=warn', '.'])
const format = clangFormat()
if (format) run(format, ['-i', ...nativeFiles()])
