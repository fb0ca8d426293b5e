// What doctor() finds, on machines that are made up, and on this one.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { examine, type Addon } from '#lib/doctor/checks.js'
import { doctor } from '#lib/doctor/doctor.js'
import { readMachine, type Machine } from '#lib/doctor/machine.js'

const all = (1n << 41n) - 1n
const good: Machine = {
  platform: 'linux',
  architecture: 'x64',
  glibc: '2.36',
  kernel: '6.8.0-45-generic',
  capabilities: all,
  firstUserNamespace: true,
  root: true,
  bpfFileSystem: '/sys/fs/bpf',
  sysctl: {},
  xdpSockets: true,
  hugepages: { 2048: 512 },
  limits: {
    'Max locked memory': { soft: 8_388_608, hard: Infinity },
    'Max open files': { soft: 1024, hard: 1_048_576 },
  },
  cores: '0-3',
  coreCount: 4,
}
const addon: Addon = { dpdk: 'DPDK 22.11.0', drivers: ['net_af_xdp', 'net_memif'] }

const look = (changes: Partial<Machine>, of: Addon = addon) => examine({ ...good, ...changes }, of)
const find = (diagnosis: ReturnType<typeof look>, name: string) =>
  diagnosis.checks.find((check) => check.name === name)!

describe('doctor', () => {
  it('finds nothing missing on a machine that has all', () => {
    const { supported, checks } = look({})
    assert.ok(supported)
    assert.deepEqual(
      checks.filter(({ ok }) => !ok),
      [],
    )
    assert.match(find(look({}), 'addon').detail, /DPDK 22.11.0; drivers: net_af_xdp, net_memif/)
  })

  it('gives a remedy for whatever is missing, and only then', () => {
    const nothing: Machine = {
      platform: 'darwin',
      architecture: 'arm64',
      kernel: '5.4.0',
      capabilities: 0n,
      firstUserNamespace: false,
      root: false,
      tunProblem: 'ENOENT',
      sysctl: { 'user/max_user_namespaces': '0', 'net/ipv4/ip_local_port_range': '1024\t65535' },
      xdpSockets: false,
      hugepages: {},
      limits: { 'Max locked memory': { soft: 65_536, hard: 65_536 }, 'Max open files': { soft: 1024, hard: 1024 } },
      cores: '',
      coreCount: 1,
    }
    const { supported, checks } = examine(nothing, { problem: 'no build was found' })
    assert.equal(supported, false)
    for (const { name, ok, detail, remedy } of checks) {
      assert.notEqual(detail, '', name)
      assert.equal(remedy === undefined, ok, name)
    }
    assert.deepEqual(
      checks.filter(({ ok }) => ok).map(({ name }) => name),
      ['cores'],
    )
  })

  it('tells how iface ports attach', () => {
    assert.match(find(look({ kernel: '6.6.1' }), 'kernel').detail, /by tcx/)
    assert.match(find(look({ kernel: '5.15.0-91-generic' }), 'kernel').detail, /by clsact/)
    assert.equal(find(look({ kernel: '5.10.0' }), 'kernel').ok, false)
    assert.ok(look({ kernel: '5.10.0' }).supported, 'tap ports work')
  })

  it('knows that eBPF is not for user namespaces', () => {
    const check = find(look({ firstUserNamespace: false }), 'CAP_BPF')
    assert.equal(check.ok, false)
    assert.match(check.remedy!, /tap ports/)
    assert.ok(find(look({ capabilities: 1n << 21n }), 'CAP_BPF').ok, 'CAP_SYS_ADMIN includes it')
    assert.equal(find(look({ capabilities: 1n << 12n }), 'CAP_BPF').ok, false)
    assert.ok(find(look({ capabilities: 1n << 12n }), 'CAP_NET_ADMIN').ok)
  })

  it('names what closes user namespaces', () => {
    const sysctl = { 'kernel/apparmor_restrict_unprivileged_userns': '1', 'user/max_user_namespaces': '1000' }
    const check = find(look({ root: false, sysctl }), 'user namespaces')
    assert.match(check.remedy!, /apparmor_restrict_unprivileged_userns=0/)
    assert.doesNotMatch(check.remedy!, /max_user_namespaces/)
    assert.ok(find(look({ root: true, sysctl }), 'user namespaces').ok)
  })

  it('sees source ports that the kernel gives away, too', () => {
    const ports = (range: string, reserved = '') =>
      find(
        look({ sysctl: { 'net/ipv4/ip_local_port_range': range, 'net/ipv4/ip_local_reserved_ports': reserved } }),
        'source ports',
      )
    assert.ok(ports('32768\t60999').ok)
    const wide = ports('10000\t65000')
    assert.match(wide.detail, /^10000 to 32767 /)
    assert.match(wide.remedy!, /ip_local_reserved_ports=1024-32767$/)
    assert.ok(!ports('10000\t65000', '8080,20000-40000').ok)
    assert.ok(ports('10000\t65000', '80,1024-32767').ok)
  })

  it('refuses an old or other C library', () => {
    assert.equal(look({ glibc: '2.31' }).supported, false)
    assert.ok(look({ glibc: '2.34' }).supported)
    const musl = { ...good }
    delete musl.glibc
    assert.equal(examine(musl, addon).supported, false)
  })

  it('reads this machine', async () => {
    const machine = await readMachine()
    assert.equal(machine.platform, process.platform)
    assert.match(machine.kernel, /^\d+\.\d+/)
    assert.ok(machine.coreCount >= 1)
    assert.ok(machine.limits['Max open files']!.soft > 0)
    const { supported, checks } = await doctor()
    assert.ok(supported, JSON.stringify(checks))
  })
})
