// scripts/setup, once Node is known to be new enough.
import { existsSync } from 'node:fs'
import { step } from '../lib/stale.mjs'
import { missingPackages, packageNames } from '../lib/packages.mjs'
import { collect, run, runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { findProgram } from '../lib/tools.mjs'

// How to run a command as root, or undefined: as root, by a sudo that asks for nothing, or by one that can ask.
async function privileged() {
  if (process.getuid() === 0) return []
  if (!findProgram('sudo')) return undefined
  if (process.stdin.isTTY) return ['sudo']
  return (await collect('sudo', ['-n', 'true'])).code === 0 ? ['sudo', '-n'] : undefined
}

const wanted = { bench: process.argv.includes('--bench') }

class SetupError extends Error {}

async function installPackages() {
  const missing = missingPackages(wanted)
  if (missing.length === 0) return
  if (!findProgram('apt-get')) throw new SetupError(`missing (Debian's names): ${missing.join(' ')}`)
  const prefix = await privileged()
  const asRoot = prefix && ((...command) => run('/usr/bin/env', [...prefix, ...command], { stdio: ['inherit', 'ignore', 'inherit'] }))
  if (asRoot) {
    console.log(`missing Debian packages: ${missing.join(' ')}; updating apt's lists`)
    asRoot('apt-get', 'update', '-qq')
  }
  const names = packageNames(missing)
  if (!asRoot) throw new SetupError(`as root, run: apt-get update && apt-get install ${names.join(' ')}`)
  console.log(`installing by apt-get: ${names.join(' ')}`)
  const install = ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...names]
  asRoot('env', 'DEBIAN_FRONTEND=noninteractive', ...install)
  for (const [name, service] of servers) if (names.includes(name)) stopServer(asRoot, service)
  const still = missingPackages(wanted)
  if (still.length > 0) throw new SetupError(`still missing after the installation: ${still.join(' ')}`)
}

// Only the programs are wanted: these packages start servers.
const servers = [
  ['nginx-light', 'nginx'],
  ['haproxy', 'haproxy'],
]

function stopServer(asRoot, service) {
  if (existsSync('/run/systemd/system')) asRoot('systemctl', 'disable', '--now', '--quiet', service)
}

const installModules = () =>
  step('node_modules', { outputs: ['node_modules/.package-lock.json'], inputs: ['package-lock.json'] }, async () => {
    console.log('installing node modules by npm ci')
    await runQuiet('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root })
  })

async function build() {
  const { buildNative } = await import('./native.mjs')
  const { buildLibrary } = await import('./typescript.mjs')
  await buildNative()
  await buildLibrary()
}

try {
  if (process.platform !== 'linux') throw new SetupError('flatproxy builds and runs on Linux (Debian 12+, Ubuntu 24.04+)')
  await installPackages()
  await installModules()
  if (!process.argv.includes('--tools')) await build()
} catch (error) {
  console.error(error instanceof SetupError ? `setup: ${error.message}` : error.message)
  process.exit(1)
}
