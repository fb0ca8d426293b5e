// Meshes in files: YAML and JSON, and where in them a problem stands.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type FlatProxyError, limits, loadMesh, MeshError, parseMesh } from '#lib/index.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-mesh-'))
after(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** The problems of a text as `line:column path: message`. */
function told(text: string): string[] {
  try {
    parseMesh(text, 'mesh.yaml')
    return []
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return error.problems.map(({ file, line, column, path, message }) => {
      assert.equal(file, 'mesh.yaml')
      return `${line}:${column} ${path.join('.')}: ${message}`
    })
  }
}

const yaml = `# a mesh
ports:
  a: { type: memory }
workloads:
  w: { on: a, addresses: [10.0.0.1] }
services:
  shop:
    address: 10.96.0.1
    port: 80
    endpoints:
      - { workload: w, port: 8080 }
`

describe('a mesh in a file', () => {
  const value = {
    ports: { a: { type: 'memory' } },
    workloads: { w: { on: 'a', addresses: ['10.0.0.1'] } },
    services: { shop: { address: '10.96.0.1', port: 80, endpoints: [{ workload: 'w', port: 8080 }] } },
  }

  it('is YAML or JSON, at a path or a URL', async () => {
    const path = write('mesh.yaml', yaml)
    assert.deepEqual(await loadMesh(path), value)
    assert.deepEqual(await loadMesh(pathToFileURL(path)), value)
    assert.deepEqual(await loadMesh(write('mesh.json', JSON.stringify(value, null, '\t'))), value)
    assert.deepEqual(await loadMesh(write('bom.yaml', `\ufeff${yaml}`)), value)
  })

  it('may use anchors', () => {
    const text = 'ports:\n  a: &m { type: memory }\n  b: *m\n'
    assert.deepEqual(parseMesh(text), { ports: { a: { type: 'memory' }, b: { type: 'memory' } } })
  })

  it('that is not there says so', async () => {
    await assert.rejects(loadMesh(join(folder, 'none.yaml')), (error: FlatProxyError) => {
      assert.equal(error.code, 'ERR_FLATPROXY_FILE')
      assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT')
      return true
    })
    await assert.rejects(loadMesh(new URL('https://example.org/mesh.yaml')), { code: 'ERR_FLATPROXY_ARGUMENT' })
  })

  it('is not read when the signal is aborted', async () => {
    await assert.rejects(loadMesh(write('m.yaml', yaml), { signal: AbortSignal.abort() }), { name: 'AbortError' })
  })
})

describe('problems in a file', () => {
  it('stand at the line and column of the value', () => {
    assert.deepEqual(told(yaml.replace('port: 80\n', 'port: 800000\n')), [
      '9:11 services.shop.port: 800000 is out of range',
    ])
    assert.deepEqual(told(yaml.replace('workload: w', 'workload: v')), [
      "11:21 services.shop.endpoints.0.workload: no workload 'v'",
    ])
    assert.deepEqual(told(yaml.replace('[10.0.0.1]', '[10.0.0.1, 10.0.0.300]')), [
      "5:37 workloads.w.addresses.1: '10.0.0.300' is not an IP address",
    ])
  })

  it('stand at the key when the key is wrong, or the value is an object', () => {
    assert.deepEqual(told(yaml.replace('services:', 'servces:')), ["6:1 servces: unknown key 'servces'"])
    assert.deepEqual(told(yaml.replace('type: memory', 'typ: memory')), ['3:3 ports.a.type: missing'])
  })

  it('stand at what is around when a key is missing', () => {
    assert.deepEqual(told(yaml.replace('    port: 80\n', '')), ['7:3 services.shop.port: missing'])
  })

  it('are found behind anchors', () => {
    assert.deepEqual(told('ports:\n  a: &m\n    type: memory\n    mtu: 1\n  b: *m\n'), [
      '4:10 ports.a.mtu: 1 is out of range',
      '4:10 ports.b.mtu: 1 is out of range',
    ])
  })

  it('are found in JSON', () => {
    assert.deepEqual(told('{\n\t"ports": {\n\t\t"a": { "type": "memory", "mtu": 1 }\n\t}\n}'), [
      '3:35 ports.a.mtu: 1 is out of range',
    ])
  })

  it('of the language come first', () => {
    assert.match(told('ports: {')[0]!, /^1:9 : /)
    assert.match(told('ports:\n  a: { type: memory }\n  a: { type: memory }\n')[0]!, /^3:3 : Map keys must be unique/)
    assert.match(told('ports: *none\n')[0]!, /^1:1 : Unresolved alias/)
    assert.deepEqual(told(''), ['1:1 : the file is empty'])
    assert.deepEqual(told('ports: {}\n---\nports: {}\n'), ['2:1 : more than one document'])
    assert.deepEqual(told('- a\n'), ['1:1 : a list is not an object'])
    assert.deepEqual(
      told('__proto__:\n  ports: {}\n').map((text) => text.replace(/^\S+ /, '')),
      ["__proto__: unknown key '__proto__'", 'ports: missing'],
    )
  })
})

describe('a hostile file', () => {
  it('cannot multiply its anchors', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
    for (let index = 1; index < 10; index++)
      lines.push(
        `${'abcdefghijk'[index]}: &${'abcdefghijk'[index]} [${Array<string>(10)
          .fill(`*${'abcdefghijk'[index - 1]}`)
          .join(', ')}]`,
      )
    assert.match(told(lines.join('\n'))[0]!, /Excessive alias count/)
  })

  it('cannot exhaust the stack', () => {
    for (const open of ['[', '{a: ', '- ']) assert.ok(told(`ports: ${open.repeat(20_000)}`).length > 0)
  })

  it('cannot be larger than a limit, or anything but UTF-8', async () => {
    await assert.rejects(loadMesh(write('large.yaml', new Uint8Array(limits.fileBytes + 1).fill(32))), {
      code: 'ERR_FLATPROXY_MESH',
      message: /larger than 16777216 bytes/,
    })
    await assert.rejects(loadMesh(write('latin.yaml', new Uint8Array([0x61, 0xff]))), {
      code: 'ERR_FLATPROXY_MESH',
      message: /not UTF-8/,
    })
  })
})
