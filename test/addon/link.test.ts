// What the addon exports to, and needs from, the machine that loads it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'

const addon = 'build/Release/flatproxy.node'
const lines = (program: string, ...args: string[]) =>
  execFileSync(program, [...args, addon], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)

describe('the addon, as linked', () => {
  it("exports Node's entry points and nothing else", () => {
    const names = lines('nm', '-D', '--defined-only').map((line) => line.split(' ').at(-1))
    assert.deepEqual(names.sort(), ['napi_register_module_v1', 'node_api_module_get_api_version_v1'])
  })

  it('needs only the C and C++ run-time libraries', () => {
    const needed = lines('readelf', '-d').flatMap((line) => line.match(/NEEDED.*\[(.*)\]/)?.[1] ?? [])
    const other = needed.filter((name) => !/^(libc|libm|libstdc\+\+|libgcc_s|ld-linux-.*)\.so\.\d+$/.test(name))
    assert.deepEqual(other, [])
  })

  // A shared object may leave names open: what a driver lacks would only show when it is loaded.
  it('leaves open only names that those libraries version, and Node-API', () => {
    const open = lines('nm', '-D', '--undefined-only').flatMap((line) => line.match(/ U (\S+)/)?.[1] ?? [])
    assert.deepEqual(
      open.filter((name) => !name.includes('@') && !name.startsWith('napi_')),
      [],
    )
  })

  it('stays mapped once loaded, is bound at once and read-only after relocation', () => {
    const dynamic = lines('readelf', '-d').join('\n')
    assert.match(dynamic, /NODELETE/)
    assert.match(dynamic, /BIND_NOW/)
    assert.match(lines('readelf', '-lW').join('\n'), /GNU_RELRO/)
  })

  it('carries the drivers that ports name by devargs', () => {
    const text = execFileSync('strings', ['-a', addon], { encoding: 'utf8', maxBuffer: 1 << 28 })
    for (const driver of [
      'net_af_packet',
      'net_af_xdp',
      'net_memif',
      'net_null',
      'net_ring',
      'net_vhost',
      'net_virtio_user',
    ])
      assert.match(text, new RegExp(`^${driver}$`, 'm'), driver)
  })
})
