// The package as its users get it: what publint and attw say, and the prebuild in a clean folder, without a compiler.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildPrebuild } from '../build/prebuild.mjs'
import { buildLibrary } from '../build/typescript.mjs'
import { runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'

const bin = (name) => join(root, 'node_modules/.bin', name)
const folder = join(root, 'build/package')
const consumer = join(folder, 'consumer')

async function pack() {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(consumer, { recursive: true })
  await runQuiet('npm', ['pack', '--ignore-scripts', '--pack-destination', folder])
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  )
}

const loads = `
const load = require('node-gyp-build')
const addon = load(require('node:path').dirname(require.resolve('flatproxy/package.json')))
if (Object.keys(addon).length === 0) throw new Error('the addon exports nothing')
require('flatproxy')
import('flatproxy').then((esm) => {
  for (const name of Object.keys(require('flatproxy'))) if (!(name in esm)) throw new Error('the ESM entry lacks ' + name)
})
`

// No PATH but Node's own folder: neither a compiler nor node-gyp could be run.
async function loadPrebuild() {
  const built = join(consumer, 'node_modules/flatproxy/build')
  if (existsSync(built)) throw new Error(`npm built the addon from source: ${built}`)
  const env = { PREBUILDS_ONLY: '1', PATH: '' }
  await runQuiet(process.execPath, ['-e', loads], { cwd: consumer, env })
}

async function installed(tarball) {
  const npm = (...args) => runQuiet('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund'], { cwd: consumer })
  writeFileSync(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }\n')
  await npm('install', tarball)
  await loadPrebuild()
  // From a lock file npm takes another way, which once ran node-gyp whenever binding.gyp was packed.
  await npm('ci')
  await loadPrebuild()
}

export async function packaging(report) {
  await buildLibrary()
  await buildPrebuild()
  const tarball = await pack()
  await report.attempt('publint', () => runQuiet(bin('publint'), ['--strict', tarball]))
  // node10's resolution knows no exports: subpaths can't be had there, on any Node that it serves.
  await report.attempt('attw', () => runQuiet(bin('attw'), [tarball, '--profile', 'node16']))
  await report.attempt('the prebuild loads in a clean folder', () => installed(tarball))
}
