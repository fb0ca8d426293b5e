// The types, as their users' compilers see them: the oldest that is supported, and the one that builds this.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'

const { resolve } = createRequire(import.meta.url)

for (const compiler of ['typescript54', 'typescript']) {
  const { version } = createRequire(import.meta.url)(compiler) as { version: string }
  describe(`TypeScript ${version}`, () => {
    for (const project of ['mesh', 'programs'])
      it(`compiles what it must, and refuses what it must not: ${project}`, () => {
        const tsc = resolve(`${compiler}/lib/tsc.js`)
        const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', `test/types/${project}`], {
          encoding: 'utf8',
        })
        assert.equal(status, 0, stdout)
      })
  })
}
