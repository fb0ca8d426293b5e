// Compiles lib/ to dist/, and test/ (when asked) to build/test/.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runQuiet } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { filesUnder, step } from '../lib/stale.mjs'

const configuration = ['tsconfig.json', 'test/tsconfig.json', 'package-lock.json', 'package.json']
const tsc = join(root, 'node_modules/typescript/bin/tsc')

// tsc never deletes: what a removed source left behind would be packed, or run as a test.
function removeOrphans(sources, output) {
  for (const entry of readdirSync(join(root, output), { recursive: true })) {
    const module = entry.match(/^(.*?)(\.d)?\.(m?)[jt]s(\.map)?$/)
    if (!module) continue
    const [, stem, , m] = module
    if (!existsSync(join(root, sources, `${stem}.${m}ts`))) rmSync(join(root, output, entry))
  }
}

async function compile(sources, output, project) {
  console.log(`compiling ${sources}/`)
  mkdirSync(join(root, output), { recursive: true })
  removeOrphans(sources, output)
  await runQuiet(process.execPath, [tsc, '-p', join(root, project)])
}

export const buildLibrary = () =>
  step('lib', { outputs: ['dist/index.js'], inputs: [...configuration, ...filesUnder('lib')] }, async () => {
    await compile('lib', 'dist', 'tsconfig.json')
    copyFileSync(join(root, 'lib/package.json'), join(root, 'dist/package.json'))
    const { meshSchema } = createRequire(import.meta.url)(join(root, 'dist/mesh/schema/mesh.js'))
    writeFileSync(join(root, 'dist/mesh.schema.json'), `${JSON.stringify(meshSchema, null, 2)}\n`)
  })

export async function buildTests() {
  await buildLibrary()
  const inputs = [...configuration, ...filesUnder('test'), 'build/stamps/lib']
  await step('tests', { outputs: ['build/test'], inputs }, () => compile('test', 'build/test', 'test/tsconfig.json'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildLibrary()
