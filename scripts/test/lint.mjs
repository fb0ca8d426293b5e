// Formatters and linters, each counted as one test.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildTests } from '../build/typescript.mjs'
import { nativeFiles } from '../lib/files.mjs'
import { collect, runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { clangFormat } from '../lib/tools.mjs'

const bin = (name) => join(root, 'node_modules/.bin', name)
const cache = (name) => ['--cache', '--cache-location', join(root, 'build/cache', name)]

async function checkNative(format) {
  const { code, output } = await collect(format, ['--dry-run', '-Werror', ...nativeFiles()])
  const files = new Set(output.match(/^[^\s:]+(?=:\d+:\d+: error)/gm))
  if (code !== 0) throw new Error(`npm run format would change ${[...files].join(' ') || output}`)
}

// So it is compiled alone, too.
function checkFirstIncludes() {
  const first = (source) => readFileSync(join(root, source), 'utf8').match(/^#include [<"](.*)[>"]/m)?.[1]
  const wrong = nativeFiles().filter((source) => {
    const header = source.match(/^native\/(.*)\.cc$/)?.[1] + '.h'
    return existsSync(join(root, 'native', header)) && first(source) !== header
  })
  if (wrong.length > 0) throw new Error(`their headers are not what these include first: ${wrong.join(' ')}`)
}

export async function lint(report) {
  await report.attempt('first includes', async () => checkFirstIncludes())
  await report.attempt('prettier', () =>
    runQuiet(bin('prettier'), ['--check', '--log-level=warn', ...cache('prettier'), '.']),
  )
  const format = clangFormat()
  if (format) await report.attempt('clang-format', () => checkNative(format))
  else report.skip('clang-format', 'the clang-format package has no binary for this architecture')
  // The type-aware rules read dist/'s declarations for the tests' imports of the package.
  const built = await report.attempt('compile', buildTests)
  if (built) await report.attempt('eslint', () => runQuiet(bin('eslint'), [...cache('eslint'), '.']))
}
