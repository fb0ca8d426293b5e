// The documents: what they name exists, what they show runs, what they list is all there is.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { limits, parseMesh } from 'flatproxy'
import { fromKubernetes } from 'flatproxy/kubernetes'
import { exitCodes } from '#lib/cli/exit.js'
import { meshObjects, tableOf } from './support/mesh-rows.js'

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs').flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
]
const text = (path: string) => readFileSync(path, 'utf8')
const blocks = (document: string, language: string) =>
  [...text(document).matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block!)

const isKubernetes = (block: string) => block.startsWith('apiVersion:')

describe('the documents', () => {
  it('name files that exist', () => {
    for (const document of documents)
      for (const [, path] of text(document).matchAll(/`((?:native|lib|test|docs|scripts|bench)\/[\w./-]+\.\w+)`/g))
        if (!path!.includes('NAME')) assert.ok(existsSync(path!), `${document} names ${path}`)
  })

  it('link to files that exist', () => {
    for (const document of documents)
      for (const [, path] of text(document).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
        assert.ok(existsSync(join(dirname(document), path!)), `${document} links to ${path}`)
  })

  it('show meshes that are sound', () => {
    const meshes = documents.flatMap((document) =>
      blocks(document, 'yaml').flatMap((block) => (isKubernetes(block) ? [] : { document, block })),
    )
    assert.ok(meshes.length >= 3)
    for (const { document, block } of meshes) assert.doesNotThrow(() => parseMesh(block, document))
  })
})

describe('docs/kubernetes.md', () => {
  it('shows objects that are imported whole', async () => {
    const shown = blocks('docs/kubernetes.md', 'yaml')
    const objects = shown.filter(isKubernetes)
    const meshes = shown.filter((block) => !isKubernetes(block)).map((block) => parseMesh(block))
    assert.deepEqual([objects.length, meshes.length], [2, 2])
    const folder = mkdtempSync(join(tmpdir(), 'flatproxy-kubernetes-'))
    try {
      for (const [index, { ports, workloads }] of meshes.entries()) {
        writeFileSync(join(folder, 'shop.yaml'), objects[index]!)
        const options = { ports, ...(workloads && { workloadPort: 'uplink' }) }
        const { mesh } = await fromKubernetes(join(folder, '*.yaml'), options)
        assert.deepEqual(mesh, meshes[index])
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('README.md', () => {
  it('has an embedding example that runs as printed', () => {
    const [example] = blocks('README.md', 'js')
    const folder = mkdtempSync(join(tmpdir(), 'flatproxy-readme-'))
    try {
      // As after `npm install flatproxy`.
      spawnSync('mkdir', ['node_modules'], { cwd: folder })
      symlinkSync(process.cwd(), join(folder, 'node_modules/flatproxy'))
      writeFileSync(join(folder, 'example.mjs'), example!)
      const { status, stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' })
      assert.equal(status, 0, stderr)
      const [shown] = blocks('README.md', 'text')
      assert.equal(stdout, shown)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('leaves nothing open', () => {
    for (const document of documents) assert.doesNotMatch(text(document), /\b(TODO|FIXME|TBD|XXX+)\b|lorem/i, document)
  })
})

describe('docs/mesh.md', () => {
  const mesh = text('docs/mesh.md')
  for (const [heading, node] of Object.entries(meshObjects))
    it(`has every field of ${heading}`, () => {
      const section = mesh.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`))
      assert.ok(section, `no section ${heading}`)
      assert.ok(section.includes(tableOf(node)), `section ${heading} should have\n${tableOf(node)}`)
    })

  it('has every limit', () => {
    for (const limit of Object.values(limits)) {
      const written = new Intl.NumberFormat('en-US').format(limit)
      assert.ok(mesh.includes(written), `${written} is not there`)
    }
  })
})

describe('docs/cli.md', () => {
  it('has every exit code', () => {
    for (const [code, meaning] of Object.values(exitCodes))
      assert.ok(text('docs/cli.md').includes(`| ${code} | ${meaning} |`), `${code} ${meaning}`)
  })
})
