// What explain() says of packets: in the words of the mesh, without and with a proxy that runs, and as it then happens.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import {
  defineMesh,
  explain,
  FlatProxy,
  MeshError,
  parseMesh,
  UnsupportedError,
  type Mesh,
  type Tuple,
} from '#lib/index.js'
import { words } from '#lib/proxy/explain-words.js'
import { Host } from './host.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-explain-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const main = join(process.cwd(), 'dist/cli/main.js')

const tuple = (more: Partial<Tuple> = {}): Tuple => ({
  on: 'left',
  protocol: 'tcp',
  from: '10.0.0.10:40000',
  to: '10.96.0.10:80',
  ...more,
})

const shop = defineMesh({
  ports: {
    left: { type: 'memory', own: ['10.0.0.1/24', 'fd00::1/64'] },
    right: { type: 'memory', own: ['10.0.1.1/24'] },
  },
  workloads: {
    client: { on: 'left', addresses: ['10.0.0.10', 'fd00::10'] },
    shop: { on: 'right', addresses: ['10.0.1.11'], labels: { app: 'shop' } },
  },
  forward: [{ to: '192.0.2.0/24', on: 'right', via: '10.0.1.254' }],
  services: { web: { address: '10.96.0.10', port: 80, endpoints: [{ workload: 'shop', port: 8080 }] } },
  policies: [
    {
      name: 'shop-in',
      to: { labels: { app: 'shop' } },
      from: { cidr: '10.0.0.0/24' },
      ports: [{ protocol: 'tcp', port: 8080 }],
      action: 'allow',
    },
    { name: 'no-admin', direction: 'egress', to: { cidr: '192.0.2.128/25' }, action: 'reject' },
  ],
})

describe('explain(mesh)', () => {
  it('says all of a flow to a service, in words', async () => {
    const said = await explain(shop, tuple())
    const { steps, ...rest } = said
    assert.deepEqual(rest, {
      verdict: 'forward',
      reason: 'service_forwarded',
      tier: 'lane',
      policy: 'shop-in',
      service: 'web',
      endpoint: 'shop',
      exit: 'right',
    })
    assert.deepEqual(
      steps.map(({ stage, object, outcome }) => [stage, object, outcome]),
      [
        ['port', 'left', 'comes in'],
        ['source', '10.0.0.10:40000', 'admitted'],
        ['service', 'web', 'found'],
        ['endpoint', 'shop', 'chosen'],
        ['policy egress', 'sender', 'no opinion'],
        ['policy ingress', 'shop-in', 'allow'],
        ['route', '10.0.1.11/32', 'by right'],
      ],
    )
    assert.ok(steps.every(({ why }) => why !== ''))
    const lines = String(said).split('\n')
    assert.equal(
      lines[0],
      'tcp 10.0.0.10:40000 > 10.96.0.10:80 by left: forward (service_forwarded), policy shop-in, endpoint shop, exit right',
    )
    assert.equal(lines.length, 1 + steps.length)
  })

  for (const [input, verdict, reason, last] of [
    [{ to: '10.0.1.11:9' }, 'drop', 'policy_default_deny', /shop-in: deny \(it isolates the receiver/],
    [{ to: '192.0.2.200:22' }, 'reject', 'policy_rejected', /policy egress no-admin: reject/],
    [
      { to: '192.0.2.7:22' },
      'forward',
      'forwarded',
      /route 192\.0\.2\.0\/24: by right .*the neighbour is 10\.0\.1\.254/,
    ],
    [{ to: '203.0.113.7:22' }, 'reject', 'no_route', /route 203\.0\.113\.7:22: reject/],
    [{ to: '10.96.0.10:81' }, 'reject', 'no_service', /own address 10\.96\.0\.10:81: reject/],
    [{ to: '10.0.1.1:81' }, 'reject', 'port_unreachable', /own address 10\.0\.1\.1:81: reject/],
    [{ from: '10.0.1.11:5' }, 'drop', 'spoofed_source', /source 10\.0\.1\.11:5: drop \(.* behind right, not left/],
    [{ from: '198.51.100.9:5' }, 'drop', 'spoofed_source', /neither theirs nor routed there/],
    [{ from: '127.0.0.1:5' }, 'drop', 'source_invalid', /address 127\.0\.0\.1:5: drop/],
    [{ to: '224.0.0.5:5' }, 'drop', 'multicast_ignored', /address 224\.0\.0\.5:5: drop/],
    [{ protocol: 'icmp', from: '10.0.0.10', to: '10.0.0.1' }, 'terminate', 'echo_answered', /10\.0\.0\.1: answered/],
    [
      { protocol: 'icmp', from: 'fd00::10', to: 'fd00::1' },
      'terminate',
      'echo_answered',
      /own address fd00::1: answered/,
    ],
    [
      { protocol: 'udp', from: '[fd00::10]:9', to: '[fd00::77]:53' },
      'forward',
      'forwarded',
      /route fd00::\/64: by left/,
    ],
  ] as const)
    it(`says ${reason} of ${JSON.stringify(input)}`, async () => {
      const said = await explain(shop, tuple(input))
      assert.deepEqual([said.verdict, said.reason], [verdict, reason])
      assert.match(String(said), last)
    })

  it('agrees with the table of docs/policies.md', async () => {
    const page = readFileSync('docs/policies.md', 'utf8')
    const mesh = parseMesh(/```yaml\n(.*?)```/s.exec(page)![1]!)
    const rows = [...page.matchAll(/^\| ([\d.]+) → ([\d.]+), (tcp|udp) (\d+) \| (passes|dropped|rejected) \|/gm)]
    assert.equal(rows.length, 6)
    for (const [, from, to, protocol, port, outcome] of rows) {
      const on = from === '10.0.1.11' ? 'shop' : from === '10.0.1.12' ? 'pay' : 'uplink'
      const ends = { from: `${from}:40000`, to: `${to}:${port}` }
      const { verdict, steps } = await explain(mesh, { on, protocol: protocol as 'tcp', ...ends })
      assert.equal(verdict, { passes: 'forward', dropped: 'drop', rejected: 'reject' }[outcome!], `${from} ${to}`)
      assert.deepEqual(
        steps.filter(({ outcome: what }) => what === 'not known').map(({ object }) => object),
        ['uplink', 'shop', 'pay'],
        'addresses of interfaces that are not opened',
      )
    }
  })

  it('says where the node itself, joined ports and interfaces that take part of the traffic come in', async () => {
    const mesh = defineMesh({
      ports: {
        all: { type: 'iface', interface: 'none0', own: ['10.0.0.1/24'] },
        some: { type: 'iface', interface: 'none1', own: ['10.0.1.1/24'], take: 'matched' },
        a: { type: 'memory', joined: 'b' },
        b: { type: 'memory' },
      },
      services: { web: { address: '10.96.0.10', port: 80, endpoints: [{ address: '10.0.1.11', port: 8080 }] } },
    })
    const ends = async (on: string, to: string) => {
      const { verdict, reason, tier, exit } = await explain(mesh, tuple({ on, to }))
      return [verdict, reason, tier, exit]
    }
    assert.deepEqual(await ends('host', '10.96.0.10:80'), ['forward', 'service_forwarded', 'lane', 'some'])
    assert.deepEqual(await ends('all', '10.0.0.1:22'), ['forward', 'forwarded', 'lane', 'host'])
    assert.deepEqual(await ends('a', '10.96.0.10:80'), ['forward', 'passed_on', 'lane', 'b'])
    assert.deepEqual(await ends('some', '10.0.0.9:22'), ['forward', 'left_to_kernel', 'kernel', undefined])
    assert.deepEqual(await ends('some', '10.96.0.10:80'), ['forward', 'service_forwarded', 'lane', 'some'])
  })

  it('goes up to the listener', async () => {
    const mesh = defineMesh({
      ports: { left: { type: 'memory', own: ['10.0.0.1/24'] } },
      services: { web: { port: 80, endpoints: [{ address: '10.0.0.11', port: 8080 }] } },
      listeners: {
        door: { address: '10.0.0.1', port: 80, protocol: 'http' },
        db: { address: '10.0.0.1', port: 81, protocol: 'tcp' },
      },
      routes: [
        { name: 'web', listeners: ['door'], rules: [{ backendRefs: [{ service: 'web' }] }] },
        { name: 'db', listeners: ['db'], rules: [{ backendRefs: [{ service: 'web' }] }] },
      ],
    })
    const said = await explain(mesh, tuple({ to: '10.0.0.1:80' }))
    assert.deepEqual([said.verdict, said.reason, said.tier], ['terminate', 'tcp_terminated', 'l7'])
    assert.match(String(said), /listener door: takes it \([^\n]*$/)
    const db = await explain(mesh, tuple({ to: '10.0.0.1:81' }))
    assert.deepEqual([db.tier, db.service, db.endpoint], ['lane', 'web', '10.0.0.11:8080'])
    assert.equal((await explain(mesh, tuple({ to: '10.0.0.1:82' }))).reason, 'port_unreachable')
  })

  it('refuses packets that cannot be, with the path and what to do', async () => {
    for (const [input, code, message] of [
      [{ on: 'x' }, 'ARGUMENT', /^on: the mesh has no port 'x'/],
      [{ on: 'host' }, 'ARGUMENT', /no such port/],
      [{ protocol: 'sctp' }, 'ARGUMENT', /^protocol: 'sctp'/],
      [{ protocol: 'roce' }, 'ARGUMENT', /^from: /],
      [{ from: '10.0.0.10' }, 'ARGUMENT', /^from: /],
      [{ from: 'fd00::1:80' }, 'ARGUMENT', /^from: /],
      [{ from: '10.0.0.10:65536' }, 'ARGUMENT', /^from: /],
      [{ to: '[10.0.0.1]:80' }, 'ARGUMENT', /^to: /],
      [{ to: '[fd00::1]:80' }, 'ARGUMENT', /^to: it is of another IP version/],
      [{ what: 1 }, 'ARGUMENT', /^what: /],
    ] as const)
      await assert.rejects(explain(shop, tuple(input as Partial<Tuple>)), (error: Error & Record<string, unknown>) => {
        assert.equal(error['code'], `ERR_FLATPROXY_${code}`)
        assert.match(error.message, message)
        return typeof error['remedy'] === 'string' && error['remedy'] !== ''
      })
    await assert.rejects(explain({ ports: { a: { type: 'nope' } } } as never, tuple()), MeshError)
    const untracked = { ...shop, policyDefault: 'deny', flows: { track: 'services' } } as unknown as Mesh
    await assert.rejects(explain(untracked, tuple()), UnsupportedError)
  })
})

describe('the words of explain()', () => {
  it('are there for every step', () => {
    const [, list] = /kNames\[\] = \{([^}]*)\}/.exec(readFileSync('native/lane/explain_steps.cc', 'utf8'))!
    const names = [...list!.matchAll(/"(\w+)"/g)].map(([, name]) => name!)
    assert.ok(names.length > 30)
    assert.deepEqual(Object.keys(words).sort(), names.sort())
  })
})

const balanced = defineMesh({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
  services: Object.fromEntries(
    (
      [
        { balance: 'maglev' },
        { balance: 'ringHash' },
        { balance: 'maglev', affinity: 'source' },
        { balance: 'roundRobin' },
      ] as const
    ).map((choice, index) => [
      `s${index}`,
      {
        address: `10.96.0.${index}`,
        port: 80,
        endpoints: [1, 2, 3].map((port) => ({ address: '10.0.1.11', port })),
        ...choice,
      },
    ]),
  ),
})

for (const lanes of [1, 2] as const)
  describe(`explain() of a proxy with ${lanes} lane${lanes > 1 ? 's' : ''}`, () => {
    let proxy: FlatProxy
    let client: Host
    let server: Host
    const control = join(folder, `${lanes}.sock`)
    before(async () => {
      proxy = await FlatProxy.start({ mesh: balanced, lanes, control })
      client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
      server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    })
    after(() => proxy.close())

    it('says what the mesh alone says, where endpoints are chosen by hash', async () => {
      const chosen = new Set<unknown>()
      for (let index = 0; index < 30; index++) {
        const input = tuple({ from: `10.0.0.10:${5000 + index}`, to: `10.96.0.${index % 3}:80` })
        const [live, offline] = [await proxy.explain(input), await explain(balanced, input)]
        assert.deepEqual(live, offline)
        assert.equal(String(live), String(offline))
        chosen.add(live.endpoint)
      }
      assert.equal(chosen.size, 3)
    })

    it('takes no turn of a round robin, and a flow that runs goes its way', async () => {
      const first = tuple({ from: '10.0.0.10:6000', to: '10.96.0.3:80' })
      const { endpoint } = await proxy.explain(first)
      for (let times = 0; times < 4; times++) assert.equal((await proxy.explain(first)).endpoint, endpoint)
      client.send({ protocol: 'tcp', from: first.from, to: first.to, flags: 'S', sequence: 1 })
      await server.expect({ flags: 'S', to: endpoint! })
      const along = await proxy.explain(first)
      assert.equal(along.endpoint, endpoint)
      assert.match(String(along), /flow 10\.0\.0\.10:6000 > 10\.96\.0\.3:80: found/)
      const back = await proxy.explain({ on: 'right', protocol: 'tcp', from: endpoint!, to: first.from })
      assert.deepEqual([back.reason, back.exit], ['service_forwarded', 'left'])
      const turns = await Promise.all(
        [1, 2, 3, 4, 5, 6].map((port) => proxy.explain(tuple({ from: `10.0.0.10:${port}`, to: first.to }))),
      )
      if (lanes === 1) assert.ok(turns.every((turn) => turn.endpoint !== endpoint))
    })

    it('is the same over the control socket', async () => {
      const view = await FlatProxy.connect(control)
      const [near, far] = [await proxy.explain(tuple()), await view.explain(tuple())]
      assert.deepEqual({ ...far }, { ...near })
      assert.equal(String(far), String(near))
      await assert.rejects(view.explain(tuple({ on: 'x' })), { code: 'ERR_FLATPROXY_ARGUMENT' })
      await view.close()
    })

    it('is printed by flatproxy explain', async () => {
      const args = ['--on', 'left', '--from', '10.0.0.10:7', '--to', '10.96.0.0:80', '--control', control]
      const { stdout } = await promisify(execFile)(process.execPath, [main, 'explain', ...args])
      assert.match(stdout, /^tcp 10\.0\.0\.10:7 > 10\.96\.0\.0:80 by left: forward[^]*STEP +OF +OUTCOME +WHY/)
    })
  })

describe('flatproxy explain MESH', () => {
  const file = join(folder, 'mesh.json')
  before(() => writeFileSync(file, JSON.stringify(shop)))
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, 'explain', file, '--from', '10.0.0.10:7', '--to', '10.0.1.11:9', ...args], {
      encoding: 'utf8',
    })

  it('needs no privilege', () => {
    const bare = ['--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']
    const node = [
      process.execPath,
      main,
      'explain',
      file,
      '--on',
      'left',
      '--from',
      '10.0.0.10:7',
      '--to',
      '10.0.1.11:9',
    ]
    const command = process.getuid!() === 0 ? ['setpriv', ...bare, ...node] : node
    const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    assert.match(stdout, /drop \(policy_default_deny\), policy shop-in/)
  })

  it('gives JSON', () => {
    const said = JSON.parse(run('--on', 'left', '--json').stdout) as { verdict: string; steps: unknown[] }
    assert.equal(said.verdict, 'drop')
    assert.ok(said.steps.length > 3)
  })

  it('refuses wrong arguments', () => {
    assert.match(run().stderr, /--on is missing/)
    assert.equal(run('--on', 'left', '--protocol', 'x').status, 2)
    assert.equal(run('--on', 'left', '--control', '/x').status, 2)
    assert.equal(run('--on', 'nowhere').status, 1)
  })
})
