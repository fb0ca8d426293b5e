// The fuzzers of test/fuzz: NAME.cc each, kept corpus in test/fuzz/corpus/NAME, findings in build/fuzz/NAME.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cmakeBuild } from '../build/cmake.mjs'
import { root } from './sources.mjs'

export function fuzzerNames() {
  const folder = join(root, 'test/fuzz')
  if (!existsSync(folder)) return []
  const sources = readdirSync(folder).filter((name) => name.endsWith('.cc'))
  return sources.map((name) => basename(name, '.cc')).sort()
}

// Builds them and returns, by name, what to run for `seconds`.
export async function buildFuzzers(names) {
  const folder = await cmakeBuild(
    'asan',
    names.map((name) => `fuzz_${name}`),
  )
  return (name, seconds, extra = []) => {
    const work = join(root, 'build/fuzz', name)
    const kept = join(root, 'test/fuzz/corpus', name)
    for (const path of [work, kept]) mkdirSync(path, { recursive: true })
    const limits = [`-max_total_time=${seconds}`, '-timeout=10', '-rss_limit_mb=2048', `-artifact_prefix=${work}-`]
    return [join(folder, `fuzz_${name}`), ...limits, '-print_final_stats=1', ...extra, work, kept]
  }
}
