// What policies may say, and what of it is not built yet.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkMesh, limits, unsupported, type Mesh } from '#lib/index.js'
import { adoptMesh } from '#lib/mesh/adopt.js'
import { checkMeshSliced } from '#lib/mesh/check.js'
import { told } from './told.js'

const ports = { a: { type: 'memory' } }
const meshOf = (...policies: object[]) => ({
  ports,
  policies: policies.map((policy, index) => ({ name: `p${index}`, action: 'deny', ...policy })),
})

describe('policies', () => {
  it('are complete', () => {
    const policy = {
      to: { workload: 'w' },
      from: [{ cidr: '10.0.0.0/8', except: ['11.0.0.0/8'] }],
      ports: [{ endPort: 5 }, { port: 9, endPort: 8 }, {}, { port: 1 }, { protocol: 'gre' }],
    }
    assert.deepEqual(told(meshOf(policy)), [
      "policies.0.to.workload: no workload 'w'",
      "policies.0.from.0.except.0: 11.0.0.0/8 lies in none of the prefixes of 'cidr'",
      "policies.0.ports.0.endPort: 'endPort' without 'port'",
      "policies.0.ports.1.endPort: 8 is below 'port', 9",
      "policies.0.ports.2: selects nothing | leave 'ports' out for all protocols and ports",
    ])
    const twins = { ports, policies: ['deny', 'allow'].map((action) => ({ name: 'p', action })) }
    assert.deepEqual(told(twins), ["policies.1.name: 'policies.0' has the name 'p' already"])
  })

  it('may have a subject of addresses, or none, and no peers', () => {
    assert.deepEqual(told(meshOf({ to: { cidr: '10.0.0.0/8', except: ['10.0.0.0/9'] } }, {})), [])
  })

  it('name IP protocols by words, or numbers as text', () => {
    const protocols = (...list: unknown[]) => told(meshOf({ ports: list.map((protocol) => ({ protocol })) }))
    assert.deepEqual(protocols('tcp', 'udp', 'icmp', 'sctp', 'gre', 'esp', 'ah', '0', '47', '255'), [])
    const expected =
      "tcp, udp, icmp, sctp, gre, esp, ah, roce, or the number of an IP protocol from 0 to 255, such as '47'"
    assert.deepEqual(protocols('TCP', 'icmpv6', 'quic', '256', '047', 6), [
      "policies.0.ports.0.protocol: 'TCP' is not an IP protocol | did you mean 'tcp'?",
      "policies.0.ports.1.protocol: 'icmpv6' is not an IP protocol | did you mean 'icmp'?",
      "policies.0.ports.2.protocol: 'quic' is not an IP protocol",
      "policies.0.ports.3.protocol: '256' is not an IP protocol",
      "policies.0.ports.4.protocol: '047' is not an IP protocol",
      `policies.0.ports.5.protocol: 6 is not ${expected} | write it in quotes`,
    ])
    assert.equal(checkMesh(meshOf({ ports: [{ protocol: 'quic' }] }))[0]!.expected, expected)
  })

  it('have ports of protocols that have some', () => {
    const at80 = (...list: string[]) => told(meshOf({ ports: list.map((protocol) => ({ protocol, port: 80 })) }))
    assert.deepEqual(at80('tcp', 'udp', 'sctp', '6', '17', '132'), [])
    for (const protocol of ['icmp', 'gre', 'esp', 'ah', '0', '33', '255'])
      assert.deepEqual(at80(protocol), [`policies.0.ports.0.port: protocol '${protocol}' has no ports`])
  })

  it('have queue pairs and opcodes of roce alone', () => {
    const of = (...list: object[]) => told(meshOf({ ports: list }))
    assert.deepEqual(
      of(
        { protocol: 'roce' },
        { protocol: 'roce', qp: 17 },
        { protocol: 'roce', qp: 0, endQp: 0xffffff, opcodes: ['write', 'cnp'] },
      ),
      [],
    )
    assert.deepEqual(
      of(
        { protocol: 'roce', port: 80 },
        { protocol: 'udp', qp: 5 },
        { opcodes: ['send'], port: 1 },
        { protocol: 'roce', endQp: 5 },
        { protocol: 'roce', qp: 6, endQp: 5 },
        { protocol: 'roce', qp: 0x1000000 },
        { protocol: 'roce', opcodes: ['nak'] },
        { protocol: 'roce', opcodes: [] },
      ),
      [
        'policies.0.ports.5.qp: 16777216 is out of range',
        "policies.0.ports.6.opcodes.0: unknown value 'nak'",
        "policies.0.ports.7.opcodes: the list is empty | leave 'opcodes' out for all",
        'policies.0.ports.0.port: roce has queue pairs, and no ports',
        "policies.0.ports.1.qp: 'qp' is of roce alone",
        "policies.0.ports.2.opcodes: 'opcodes' is of roce alone",
        "policies.0.ports.3.endQp: 'endQp' without 'qp'",
        "policies.0.ports.4.endQp: 5 is below 'qp', 6",
      ],
    )
  })

  it('do not say nobody by an empty list', () => {
    assert.deepEqual(told(meshOf({ to: [], from: [], ports: [] })), [
      "policies.0.to: the list is empty | leave 'to' out for anyone",
      "policies.0.from: the list is empty | leave 'from' out for anyone",
      "policies.0.ports: the list is empty | leave 'ports' out for all protocols and ports",
    ])
  })

  it('say how much if they limit, and then alone', () => {
    const limit = { rate: 5, of: 'flows' }
    assert.deepEqual(
      told(meshOf({ action: 'limit', limit }, { action: 'limit', limit: { ...limit, per: 'hour' } })),
      [],
    )
    assert.deepEqual(told(meshOf({ action: 'limit' }, { limit }, { action: 'log', limit })), [
      "policies.0: action 'limit' without 'limit'",
      "policies.1.limit: 'limit' with action 'deny'",
      "policies.2.limit: 'limit' with action 'log'",
    ])
    const odd = { rate: 0, of: 'bits', per: 'day', burst: 1e13 }
    assert.deepEqual(
      checkMesh(meshOf({ action: 'limit', limit: odd }, { action: 'limit', limit: {} })).map(({ path }) =>
        path.join('.'),
      ),
      ['rate', 'of', 'per', 'burst']
        .map((key) => `policies.0.limit.${key}`)
        .concat(['rate', 'of'].map((key) => `policies.1.limit.${key}`)),
    )
  })

  it('mirror to a port that is there, also when ports change', async () => {
    const mirror = (port: string) => meshOf({ action: 'mirror', mirror: { port } })
    assert.deepEqual(told(mirror('a')), [])
    assert.deepEqual(told(mirror('tools')), ["policies.0.mirror.port: no port 'tools'"])
    assert.deepEqual(told(mirror('host')), ["policies.0.mirror.port: no port 'host'"])
    assert.deepEqual(told(meshOf({ action: 'mirror' }, { mirror: { port: 'a' } })), [
      "policies.0: action 'mirror' without 'mirror'",
      "policies.1.mirror: 'mirror' with action 'deny'",
    ])
    const before = await adoptMesh({ ...mirror('b'), ports: { ...ports, b: { type: 'memory' } } })
    const after = await adoptMesh({ ...before, ports }, before)
    assert.deepEqual(
      (await checkMeshSliced(after, before)).map(({ path }) => path.join('.')),
      ['policies.0.mirror.port'],
    )
  })

  it('name the ports that flows come by, each once, also when ports change', async () => {
    const on = (value: unknown) => meshOf({ on: value })
    for (const value of ['a', ['a'], 'host', ['host', 'a']]) assert.deepEqual(told(on(value)), [])
    assert.deepEqual(told(on([])), ["policies.0.on: the list is empty | leave 'on' out for all ports"])
    assert.deepEqual(told(on('uplink')), ["policies.0.on: no port 'uplink'"])
    assert.deepEqual(told(on(['a', 'b', 'a', 'b', 'host', 'host'])), [
      "policies.0.on.1: no port 'b' | did you mean 'a'?",
      "policies.0.on.2: 'a' stands twice",
      "policies.0.on.3: 'b' stands twice",
      "policies.0.on.5: 'host' stands twice",
    ])
    assert.deepEqual(
      checkMesh(on(['a', 'a', 'uplink'])).map(({ expected }) => expected),
      ['each port once', "one of the ports: 'a'"],
    )
    const before = await adoptMesh({ ...on(['a', 'b']), ports: { ...ports, b: { type: 'memory' } } })
    const after = await adoptMesh({ ...before, ports }, before)
    assert.deepEqual(
      (await checkMeshSliced(after, before)).map(({ path }) => path.join('.')),
      ['policies.0.on.1'],
    )
  })

  it('name VLANs, each once, and ranges that go upwards', () => {
    const vlan = (value: unknown) => meshOf({ vlan: value })
    for (const value of [
      0,
      10,
      4094,
      [0, 10],
      { id: 10, endId: 10 },
      [{ id: 0, endId: 9 }, 10, { id: 11, endId: 4094 }],
    ])
      assert.deepEqual(told(vlan(value)), [])
    assert.deepEqual(told(vlan([])), ["policies.0.vlan: the list is empty | leave 'vlan' out for all VLANs"])
    assert.deepEqual(told(vlan([10, { id: 5, endId: 9 }, 11, 10, { id: 9, endId: 20 }, 20])), [
      'policies.0.vlan.3: 10 stands twice',
      'policies.0.vlan.4: 9 stands twice',
    ])
    assert.deepEqual(told(vlan({ id: 20, endId: 10 })), ["policies.0.vlan.endId: 10 is below 'id', 20"])
    assert.deepEqual(
      checkMesh(vlan([{ id: 20, endId: 10 }, 7, 7])).map(({ path, expected }) => [path.join('.'), expected]),
      [
        ['policies.0.vlan.0.endId', 'from 20 to 4094'],
        ['policies.0.vlan.2', 'each VLAN once'],
      ],
    )
    for (const value of [-1, 4095, 1.5, '10', [4095], { id: 1 }, { id: 1, endId: 4095 }, { id: 1, endId: 2, to: 3 }])
      assert.equal(told(vlan(value)).length, 1, JSON.stringify(value))
  })

  it("are about the node's own stack where that is reached", () => {
    const host = meshOf({ on: 'host' }, { on: ['a', 'host'] }, { on: 'a' }) as unknown as Mesh
    assert.deepEqual(
      unsupported(host).map(({ path, message }) => `${path.join('.')}: ${message}`),
      ['on', '1.on.1'].map(
        (path, index) =>
          `policies.${index === 0 ? '0.' : ''}${path}: 'host' without an iface port that takes all is not supported yet`,
      ),
    )
    const hooked = { ...host, ports: { ...host.ports, up: { type: 'iface', interface: 'eth0' } } } as Mesh
    assert.deepEqual(unsupported(hooked), [])
  })

  it('are judged anew where the workloads that they name are gone', async () => {
    const mesh = { ...meshOf({ to: { workload: 'w' } }), workloads: { w: { on: 'a', addresses: ['10.0.0.1'] } } }
    const before = await adoptMesh(mesh)
    const paths = async (value: object) =>
      (await checkMeshSliced(await adoptMesh(value, before), before)).map(({ path }) => path.join('.'))
    assert.deepEqual(await paths({ ...mesh, workloads: {} }), ['policies.0.to.workload'])
    assert.deepEqual(await paths({ ...mesh, policies: [...mesh.policies, { name: 'q', action: 'none' }] }), [
      'policies.1.action',
    ])
  })

  it('are bounded', () => {
    const policies = (count: number) => meshOf(...Array<object>(count).fill({}))
    assert.deepEqual(told(policies(limits.policies)), [])
    assert.deepEqual(told(policies(limits.policies + 1)), ['policies: 65537 policies'])
  })

  it('have a bounded number of selectors, of which equal ones are one', () => {
    const cidr = (index: number) => ({ cidr: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32` })
    // Beside those that are written there is the subject that is not: every workload.
    const from = (count: number) => Array.from({ length: count }, (_, index) => cidr(index))
    assert.deepEqual(
      told(meshOf({ from: from(limits.selectors - 1) }, { from: from(1_000) }, { to: { labels: {} } })),
      [],
    )
    assert.deepEqual(told(meshOf({ from: from(limits.selectors - 1) }, { to: { labels: { a: 'b' } } })), [
      'policies: 65537 distinct selectors',
    ])
  })
})

describe('of policies it is not built yet', () => {
  const policies = [{ name: 'p', action: 'deny' }]
  const refused = (mesh: object) =>
    unsupported({ ports, ...mesh } as unknown as Mesh).map(({ path, message, expected }) => [
      path.join('.'),
      message,
      expected,
    ])
  const listeners = { door: { address: '192.0.2.1', port: 1, protocol: 'tcp' } }

  it('that they judge flows that are tracked, and routed', () => {
    assert.deepEqual(refused({ policies }), [])
    assert.deepEqual(refused({ policies, policyDefault: 'deny', onDeny: 'keep', listeners }), [])
    assert.deepEqual(refused({ policies, policyDefault: 'deny', flows: { track: 'all' } }), [])
    const joined = { a: { type: 'memory', joined: 'b' }, b: { type: 'memory' } }
    assert.deepEqual(refused({ policies, policyDefault: 'deny', ports: joined }), [])
  })

  it('that they stand beside ports that leave most to the kernel', () => {
    const iface = (take: string) => ({
      a: { type: 'fault', seed: 1, port: { type: 'iface', interface: 'eth0', take } },
    })
    assert.deepEqual(refused({ policies, ports: iface('all') }), [])
    assert.deepEqual(refused({ policies, ports: iface('matched') }), [
      [
        'policies',
        "policies beside iface ports with take: 'matched' are not supported yet",
        "take: 'all', or no policies",
      ],
    ])
  })

  it('that they judge flows that are not tracked', () => {
    const flows = { track: 'services' }
    const expected = "'all', or neither policies nor policyDefault 'deny'"
    for (const part of [{ policies }, { policyDefault: 'deny' }])
      assert.deepEqual(refused({ ...part, flows }), [
        ['flows.track', "'services' beside policies is not supported yet", expected],
      ])
    assert.deepEqual(refused({ flows }), [])
  })
})
