// Reads the lists of native sources (native/sources.txt) and native tests (test/native/tests.txt).
// As a program: `node scripts/lib/sources.mjs GROUP...` prints the paths of those groups, as binding.gyp wants them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '')

export function readList(path) {
  return readFileSync(join(root, path), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter(Boolean)
    .map((line) => {
      const [group, source, ...rest] = line.split(/\s+/)
      if (!source || rest.length > 0) throw new Error(`${path}: not "GROUP PATH": ${line}`)
      return { group, source }
    })
}

export const nativeSources = (...groups) =>
  readList('native/sources.txt')
    .filter(({ group }) => groups.includes(group))
    .map(({ source }) => source)

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(nativeSources(...process.argv.slice(2)).join('\n'))
