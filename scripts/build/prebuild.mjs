// prebuilds/linux-ARCH/flatproxy.glibc.node out of the addon that is built already. prebuildify would rebuild it, and move
// it away from build/Release: it runs in a folder of its own, with a "node-gyp" that copies the finished addon.
import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { step } from '../lib/stale.mjs'
import { addon, buildNative } from './native.mjs'

const folder = join(root, 'build/prebuild')
const artefact = `prebuilds/linux-${process.arch}/flatproxy.glibc.node`

async function prebuildify() {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  const env = { ...process.env, PREBUILD_NODE_GYP: join(root, 'scripts/build/copy-addon.mjs') }
  const options = ['--napi', '--strip', '--tag-libc', '--name', 'flatproxy', '--target', process.versions.node]
  await runQuiet(process.execPath, [join(root, 'node_modules/prebuildify/bin.js'), ...options], { cwd: folder, env })
  rmSync(join(root, 'prebuilds'), { recursive: true, force: true })
  cpSync(join(folder, 'prebuilds'), join(root, 'prebuilds'), { recursive: true })
}

export async function buildPrebuild() {
  await buildNative()
  await step('prebuild', { outputs: [artefact], inputs: [addon, 'package.json'] }, prebuildify)
  return artefact
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await buildPrebuild())
