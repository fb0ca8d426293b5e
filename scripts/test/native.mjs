// The GoogleTest binaries: plain, under ASAN+UBSAN (but those over DPDK), and those with several threads under TSAN.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cmakeBuild } from '../build/cmake.mjs'
import { collect } from '../lib/process.mjs'
import { readList } from '../lib/sources.mjs'

const timeout = 300_000
export const sanitizerEnv = {
  ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
}

// The sanitizers of these compilers can't map their shadow under the 32-bit ASLR entropy of newer kernels.
export const withoutAslr = (command) => ['setarch', process.arch === 'x64' ? 'x86_64' : 'aarch64', '-R', ...command]

const groups = (wanted) =>
  wanted.filter((group) => readList('test/native/tests.txt').some((test) => test.group === group))

// The totals that the binary wrote, and its exit code, must both be good: a crash writes no totals.
function judge(report, name, { code, signal, timedOut, output }, json) {
  const totals = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : { testsuites: [] }
  const tests = totals.testsuites.flatMap((suite) => suite.testsuite.map((test) => ({ ...test, suite: suite.name })))
  let failed = 0
  for (const test of tests) {
    const full = `${name} ${test.suite}.${test.name}`
    if (test.failures) (failed++, report.fail(full, test.failures.map(({ failure }) => failure).join('\n')))
    else if (test.result === 'SKIPPED') report.skip(full, skipReason(output, `${test.suite}.${test.name}`))
    else if (test.status === 'RUN') report.pass()
  }
  if (tests.length === 0 && code === 0) report.fail(name, 'ran no test')
  if (code !== 0 && failed === 0)
    report.fail(name, `${timedOut ? 'timed out' : (signal ?? `exit code ${code}`)}\n${output.slice(-8000)}`)
}

// GTEST_SKIP() << why prints "FILE:LINE: Skipped", and the reason in the next line.
function skipReason(output, test) {
  const after = output.slice(output.indexOf(`[ RUN      ] ${test}\n`))
  return after.match(/: Skipped\n(.*)/)?.[1]?.trim() || 'no reason given'
}

async function runGroup(report, variant, folder, group) {
  const name = variant === 'native' ? `${group}_tests` : `${group}_tests (${variant})`
  const json = join(folder, `${group}_tests.json`)
  rmSync(json, { force: true })
  const command = [join(folder, `${group}_tests`), `--gtest_output=json:${json}`]
  const [program, ...args] = variant === 'native' ? command : withoutAslr(command)
  const result = await collect(program, args, { timeout, env: { ...process.env, ...sanitizerEnv } })
  judge(report, name, result, json)
}

async function runVariant(report, variant, wanted) {
  const present = groups(wanted)
  if (present.length === 0) return report.skip(variant, `test/native/tests.txt lists none of: ${wanted.join(', ')}`)
  const folder = await cmakeBuild(
    variant,
    present.map((group) => `${group}_tests`),
  )
  for (const group of present) await runGroup(report, variant, folder, group)
}

export async function native(report) {
  await runVariant(report, 'native', ['core', 'lanes', 'dpdk'])
  await report.attempt('each header compiles alone', () => cmakeBuild('native', ['headers']))
}

export const asan = (report) => runVariant(report, 'asan', ['core', 'lanes'])
export const tsan = (report) => runVariant(report, 'tsan', ['lanes'])
