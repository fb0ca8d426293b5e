// The tests written in TypeScript: each file in a process of its own, one after the other (they share the machine's
// namespaces and its two cores), with a time limit. A file may set its own: `// timeout: 300 s` in a line of its source.
// `// builds: NAME` names a program of CMake's that it runs, as build/native/NAME.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cmakeBuild } from '../build/cmake.mjs'
import { buildNative } from '../build/native.mjs'
import { buildTests } from '../build/typescript.mjs'
import { collect } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { filesUnder } from '../lib/stale.mjs'

const defaultSeconds = 120

function testFiles(parts) {
  const files = filesUnder('build/test').filter((path) => path.endsWith('.test.js'))
  return files.filter((path) => parts.length === 0 || parts.some((part) => path.includes(part))).sort()
}

const source = (file) => readFileSync(join(root, file), 'utf8')
const limitOf = (file) => Number(source(file).match(/^\/\/ timeout: (\d+) s$/m)?.[1] ?? defaultSeconds)

async function buildPrograms(files) {
  const named = files.flatMap((file) => source(file).match(/(?<=^\/\/ builds: )\w+$/gm) ?? [])
  if (named.length > 0) await cmakeBuild('native', [...new Set(named)])
}

// The reporter's lines, as far as they got: a process that dies leaves a half one.
function readEvents(path) {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    return lines.slice(0, -1).map((line) => JSON.parse(line))
  } catch {
    return []
  }
}

async function runFile(report, file) {
  const name = file.slice('build/test/'.length)
  const events = join(root, 'build/events', `${name.replaceAll('/', '-')}.ndjson`)
  rmSync(events, { force: true })
  const reporters = [
    ['--test-reporter=spec', '--test-reporter-destination=stdout'],
    [`--test-reporter=${join(root, 'scripts/test/reporter.mjs')}`, `--test-reporter-destination=${events}`],
  ].flat()
  const started = Date.now()
  const result = await collect(process.execPath, ['--test', '--enable-source-maps', ...reporters, file], {
    timeout: limitOf(file) * 1000,
  })
  const { total, failed } = count(report, name, readEvents(events))
  if (result.timedOut) report.fail(name, `still running after ${limitOf(file)} s\n${result.output}`)
  else if (total === 0) report.fail(name, `ran no test\n${result.output}`)
  else if (failed > 0) console.log(result.output)
  else if (result.code !== 0) report.fail(name, `${result.signal ?? `exit code ${result.code}`}\n${result.output}`)
  console.log(`   ${name} ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

function count(report, name, events) {
  let failed = 0
  for (const event of events) {
    const full = `${name}: ${event.name}`
    if (event.skip) report.skip(full, event.skip === true ? 'no reason given' : event.skip)
    else if (event.todo) report.skip(full, `todo: ${event.todo}`)
    else if (event.passed) report.pass()
    else (failed++, report.fail(full, event.message))
  }
  return { total: events.length, failed }
}

export async function javascript(report, parts) {
  await buildNative()
  await buildTests()
  mkdirSync(join(root, 'build/events'), { recursive: true })
  const files = testFiles(parts)
  if (files.length === 0) return report.fail('js', 'no test file')
  await buildPrograms(files)
  for (const file of files) await runFile(report, file)
}
