// The CMake builds, each in a folder of its own below build/.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { findProgram } from '../lib/tools.mjs'

const clang = ['-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++']
const variants = {
  native: [],
  // clang, so that one instrumented build serves the unit tests and the fuzzers, and every source meets both compilers.
  asan: [...clang, '-DSANITIZE=address', '-DFUZZ=ON'],
  tsan: ['-DSANITIZE=thread'],
  bench: ['-DCMAKE_BUILD_TYPE=Release'],
}

// Builds `targets` of a variant and returns its folder.
export async function cmakeBuild(variant, targets) {
  const folder = join(root, 'build', variant)
  const ccache = findProgram('ccache')
  const launcher = ccache ? [`-DCMAKE_CXX_COMPILER_LAUNCHER=${ccache}`] : []
  if (!existsSync(join(folder, 'build.ninja'))) {
    await runQuiet('cmake', ['-G', 'Ninja', '-S', root, '-B', folder, ...variants[variant], ...launcher])
  }
  await runQuiet('cmake', ['--build', folder, '--target', ...targets, '--', '--quiet'])
  return folder
}
