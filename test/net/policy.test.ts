// Policies, and who may send as whom, as programs of two hosts see them. The client's host has two workloads on a port
// each, the server's host has two on one port.
// timeout: 300 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh } from '#lib/index.js'
import { tapPort } from './mesh.js'
import * as town from './town.js'
import { families, hosts, lengths, names, serverPort, type Family, type Name } from './town.js'

type Port = NonNullable<Mesh['ports']>[string]
type Policy = NonNullable<Mesh['policies']>[number]

const echoPort = 8081
const sawPort = 8082
/** Listeners in front of the web server: one for connections, one for requests. */
const listeners = { door: 81, requests: 82 } as const
const addresses = {
  front: { v4: hosts.client.v4, v6: hosts.client.v6 },
  guest: { v4: '10.88.3.2', v6: 'fd88:3::2' },
  web: { v4: hosts.server.v4, v6: hosts.server.v6 },
  // So far from the others that a server that has bound no address does not answer with it.
  db: { v4: '10.88.2.3', v6: 'fd77:2::3' },
  service: town.virtual,
} as const
type Who = keyof typeof addresses
const placeOf = (who: Who): Name => (who === 'front' || who === 'guest' ? 'client' : 'server')
const guestGateway = { v4: '10.88.3.1', v6: 'fd88:3::1' } as const
/** The routing table of the client's host that leads through the guest's port. */
const guestTable = 3

const within = (of: Record<Family, string>) => families.map((family) => `${of[family]}/${lengths[family]}`)
const inClient = (family: Family, ...words: string[]) =>
  void town.ip(family === 'v4' ? '-4' : '-6', '-n', names.client, ...words)

interface Kind {
  name: string
  ports: Record<'client' | 'server' | 'guest', Port>
  lay: () => void
  remove: () => void
}

/** The kernel would let all pass while a loaded machine gives flatproxy no time. */
const guarded = { take: 'all', watchdog: '30s' } as const

const serverTap = tapPort('server')
const kinds: readonly Kind[] = [
  {
    name: 'tap ports',
    ports: {
      client: tapPort('client'),
      server: { ...serverTap, addresses: [...serverTap.addresses!, ...within(addresses.db)] },
      guest: {
        type: 'tap',
        name: 'eth1',
        netns: names.client,
        addresses: within(addresses.guest),
        own: within(guestGateway),
      },
    },
    lay: () => {},
    remove: () => {},
  },
  {
    name: 'iface ports',
    ports: {
      client: { type: 'iface', interface: 'client', ...guarded },
      server: { type: 'iface', interface: 'server', ...guarded },
      guest: { type: 'iface', interface: 'guest', ...guarded },
    },
    lay: layVeths,
    remove: () => {
      town.removeVeths()
      town.ip('-n', names.node, 'link del guest')
    },
  },
]

function layVeths(): void {
  town.layVeths()
  town.ip('-n', names.node, 'link add guest type veth peer name eth1 netns', names.client)
  const give = (place: Name, device: string, of: Record<Family, string>) => {
    for (const address of within(of)) town.ip('-n', names[place], 'addr add', address, 'dev', device)
  }
  give('node', 'guest', guestGateway)
  give('client', 'eth1', addresses.guest)
  give('server', 'eth0', addresses.db)
  town.ip('-n', names.node, 'link set guest up')
  town.ip('-n', names.client, 'link set eth1 up')
}

function meshOf(ports: Kind['ports'], more: Pick<Mesh, 'policies' | 'policyDefault' | 'onDeny'> = {}): Mesh {
  const workload = (who: Who, on: string) => ({ on, addresses: Object.values(addresses[who]), labels: { app: who } })
  const at = (port: number) => ({ address: Object.values(town.virtual), port, endpoints: [{ workload: 'web', port }] })
  return {
    ports,
    workloads: {
      front: workload('front', 'client'),
      guest: workload('guest', 'guest'),
      web: workload('web', 'server'),
      db: workload('db', 'server'),
    },
    services: { web: at(serverPort), echo: { ...at(echoPort), protocol: 'udp' }, saw: at(sawPort) },
    listeners: {
      door: { address: Object.values(town.virtual), port: listeners.door, protocol: 'tcp' },
      requests: { address: Object.values(town.virtual), port: listeners.requests, protocol: 'http' },
    },
    routes: [
      { name: 'door', listeners: ['door'], rules: [{ backendRefs: [{ service: 'web' }] }] },
      { name: 'requests', listeners: ['requests'], rules: [{ backendRefs: [{ service: 'saw' }] }] },
    ],
    ...more,
  }
}

const portOf = { tcp: serverPort, udp: echoPort, ...listeners } as const

type Probe = [kind: keyof typeof portOf, who: [from: Who, to: Who], family: Family]

/** What comes of a connection or datagram within `limit` milliseconds, and after how many. */
async function probe(limit: number, ...[kind, [from, to], family]: Probe) {
  const ends = [addresses[from][family], addresses[to][family], String(portOf[kind]), String(limit)]
  const protocol = kind === 'udp' ? 'udp' : 'tcp'
  const printed = await town.run(placeOf(from), process.execPath, town.script('probe-client.js'), protocol, ...ends)
  return JSON.parse(printed) as { ended: string; after: number }
}

const talking = new Set<ChildProcess>()

/** A connection that never rests; `moved`: once so many more bytes have come back. */
async function talk(from: Who, to: Who, family: Family, port: number = serverPort) {
  const ends = [addresses[from][family], addresses[to][family], String(port)]
  const child = await town.start(placeOf(from), process.execPath, town.script('talk-client.js'), ...ends)
  talking.add(child)
  const ask = async (signal: NodeJS.Signals) => {
    const line = town.nextLine(child)
    child.kill(signal)
    return line
  }
  const bytes = async () => Number(await ask('SIGUSR2'))
  const moved = async (more = 1_000_000) => {
    const enough = (await bytes()) + more
    while ((await bytes()) < enough) await sleep(50)
  }
  return { child, bytes, moved, end: () => ask('SIGTERM') }
}

/** The status of the response to a request. */
async function ask(from: Who, family: Family): Promise<string> {
  const [own, host] = [addresses[from][family], addresses.service[family]]
  const url = `http://${family === 'v4' ? host : `[${host}]`}:${listeners.requests}/`
  const printed = ['-w', '%{http_code}', '-o', '/dev/null']
  return town.run(placeOf(from), 'curl', '-sS', '-g', '--max-time', '20', '--interface', own, ...printed, url)
}

describe('policies', { skip: town.cannotRun }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatproxy-policy-'))
  const file = join(folder, 'mesh.json')
  let proxy: ChildProcess
  before(async () => {
    town.openTown()
    // A host with two ports: it asks for each one's gateway as itself there, and takes answers by either.
    for (const place of ['client', 'server', 'node'] as const)
      town.sysctl(
        place,
        'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.default.rp_filter=0',
        'net.ipv4.conf.all.arp_announce=2',
      )
    for (const family of families) {
      inClient(family, `rule add from ${addresses.guest[family]} lookup ${guestTable}`)
      inClient(family, `route add unreachable default metric 9999 table ${guestTable}`)
    }
    await town.start('server', process.execPath, town.script('tcp-server.js'), String(serverPort))
    await town.start('server', process.execPath, town.script('saw-server.js'), String(sawPort))
    await town.startServer(echoPort)
  })
  after(() => {
    town.closeTown()
    rmSync(folder, { recursive: true })
  })

  async function startProxy(mesh: Mesh): Promise<void> {
    proxy = await town.startProxy(mesh, file)
    for (const family of families)
      inClient(family, `route add default via ${guestGateway[family]} dev eth1 table ${guestTable}`)
  }

  async function apply(mesh: Mesh): Promise<void> {
    writeFileSync(file, JSON.stringify(mesh))
    const line = town.nextLine(proxy)
    proxy.kill('SIGHUP')
    assert.equal(await line, 'applied')
  }

  const counted = async (reason: string) => (await town.statsOf(proxy)).reasons[reason]?.packets ?? 0

  for (const { name, ports, lay, remove } of kinds)
    describe(`on ${name}`, () => {
      beforeEach(lay)
      afterEach(async () => {
        for (const child of talking) await town.stop(child, 'SIGKILL')
        talking.clear()
        await town.stop(proxy)
        remove()
      })

      it('deny by silence, and reject at once', async () => {
        const policies: Policy[] = [
          {
            name: 'web',
            to: { labels: { app: 'web' } },
            from: { labels: { app: 'front' } },
            ports: [
              { protocol: 'tcp', port: serverPort },
              { protocol: 'udp', port: echoPort },
            ],
            action: 'allow',
          },
          { name: 'no-guest', to: { workload: 'db' }, from: { workload: 'guest' }, action: 'reject' },
          {
            name: 'no-db',
            direction: 'egress',
            from: { workload: 'front' },
            to: { workload: 'db' },
            action: 'deny',
          },
        ]
        await startProxy(meshOf(ports, { policies, policyDefault: 'deny' }))
        const hang = 3_000
        const silent = async (...what: Probe) => {
          const { ended } = await probe(hang, ...what)
          assert.equal(ended, 'timeout', what.join(' '))
        }
        const quick = async (end: string, ...what: Probe) => {
          const { ended, after } = await probe(10 * hang, ...what)
          assert.equal(ended, end, what.join(' '))
          assert.ok(after < hang, `${ended} after ${after} ms`)
        }
        const refusal = (kind: 'tcp' | 'udp', family: Family) =>
          kind === 'tcp' ? 'ECONNREFUSED' : { v4: 'EHOSTUNREACH', v6: 'EACCES' }[family]
        for (const kind of ['tcp', 'udp'] as const)
          await Promise.all(
            families.flatMap((family) => [
              quick('open', kind, ['front', 'service'], family),
              quick('open', kind, ['front', 'web'], family),
              quick(refusal(kind, family), kind, ['guest', 'db'], family),
              silent(kind, ['guest', 'service'], family),
              silent(kind, ['guest', 'web'], family),
              silent(kind, ['front', 'db'], family),
              // No policy speaks of it.
              silent(kind, ['web', 'guest'], family),
            ]),
          )
        for (const reason of ['policy_denied', 'policy_rejected', 'policy_default_deny'])
          assert.ok((await counted(reason)) >= 4, reason)
      })

      it('that come later cut the connections that they deny, and no other', async () => {
        await startProxy(meshOf(ports))
        const noGuest: Policy = {
          name: 'no-guest',
          to: { labels: { app: 'web' } },
          from: { workload: 'guest' },
          action: 'deny',
        }
        const noDb: Policy = {
          name: 'no-db',
          direction: 'egress',
          from: { workload: 'front' },
          to: { workload: 'db' },
          action: 'reject',
        }
        const opened = await Promise.all(
          families.map(async (family) => ({
            denied: await talk('guest', 'service', family),
            rejected: await talk('front', 'db', family),
            others: [await talk('front', 'service', family), await talk('guest', 'db', family)],
          })),
        )
        const denied = opened.map((of) => of.denied)
        const rejected = opened.map((of) => of.rejected)
        const others = opened.flatMap((of) => of.others)
        const moved = (talks: typeof others) => Promise.all(talks.map((each) => each.moved()))
        await moved([...denied, ...rejected, ...others])

        await apply(meshOf(ports, { policies: [noGuest] }))
        await moved([...rejected, ...others])
        const before = await Promise.all(denied.map((each) => each.bytes()))
        await moved([...rejected, ...others])
        assert.deepEqual(await Promise.all(denied.map((each) => each.bytes())), before)

        const ends = rejected.map(({ child }) => town.nextLine(child))
        await apply(meshOf(ports, { policies: [noGuest, noDb] }))
        assert.deepEqual(await Promise.all(ends), ['ECONNRESET', 'ECONNRESET'])
        await moved(others)
        assert.deepEqual(await Promise.all(denied.map((each) => each.bytes())), before)
        assert.ok((await counted('policy_denied')) > 0)
        assert.ok((await counted('policy_rejected')) > 0)

        // What was cut goes on once it is allowed again.
        await apply(meshOf(ports))
        await moved(denied)
        for (const each of [...denied, ...others]) assert.equal(await each.end(), 'whole')
      })

      it('judge connections to listeners, and the way on from there', async () => {
        await startProxy(meshOf(ports))
        const talks = await Promise.all(
          families.map(async (family) => ({
            guest: await talk('guest', 'service', family, listeners.door),
            front: await talk('front', 'service', family, listeners.door),
          })),
        )
        const moved = (who: 'guest' | 'front') => Promise.all(talks.map((each) => each[who].moved()))
        const probes = async (limit: number) =>
          Promise.all(
            families.flatMap((family) =>
              (['guest', 'front'] as const).map(
                async (who) => (await probe(limit, 'door', [who, 'service'], family)).ended,
              ),
            ),
          )
        const asked = () => Promise.all(families.flatMap((family) => [ask('guest', family), ask('front', family)]))
        await Promise.all([moved('guest'), moved('front')])
        assert.deepEqual(await asked(), ['200', '200', '200', '200'])

        const door: Policy = {
          name: 'door',
          to: { cidr: Object.values(town.virtual) },
          from: { workload: 'guest' },
          ports: [{ protocol: 'tcp', port: listeners.door }],
          action: 'deny',
        }
        const saw: Policy = {
          name: 'saw',
          to: { labels: { app: 'web' } },
          from: { workload: 'guest' },
          ports: [{ protocol: 'tcp', port: sawPort }],
          action: 'reject',
        }
        await apply(meshOf(ports, { policies: [door, saw], onDeny: 'keep' }))
        await Promise.all([moved('guest'), moved('front')])
        assert.deepEqual(await probes(3_000), ['timeout', 'open', 'timeout', 'open'])
        assert.deepEqual(await asked(), ['403', '200', '403', '200'])
        assert.equal((await town.statsOf(proxy)).listeners['requests']!.http.outcomes['policy_rejected'], 2)

        const ends = talks.map(({ guest }) => town.nextLine(guest.child))
        await apply(meshOf(ports, { policies: [{ ...door, action: 'reject' }] }))
        assert.deepEqual(await Promise.all(ends), ['ECONNRESET', 'ECONNRESET'])
        assert.deepEqual(await probes(30_000), ['ECONNREFUSED', 'open', 'ECONNREFUSED', 'open'])
        assert.deepEqual(await asked(), ['200', '200', '200', '200'])
        await moved('front')
        for (const { front } of talks) assert.equal(await front.end(), 'whole')
        assert.equal((await town.statsOf(proxy)).listeners['door']!.policyDenied, 2)
      })

      it('or not: nothing passes that one workload sends in the name of another', async () => {
        await startProxy(meshOf(ports))
        const talks = await Promise.all(
          families.flatMap((family) => [talk('front', 'service', family), talk('front', 'db', family)]),
        )
        const bytes = () => Promise.all(talks.map((each) => each.bytes()))
        const moved = () => Promise.all(talks.map((each) => each.moved()))
        await moved()
        assert.equal(await counted('spoofed_source'), 0)

        // The same packets, by the guest's port.
        const viaGuest = (verb: 'add' | 'del') => {
          for (const family of families)
            inClient(family, `rule ${verb} from ${addresses.front[family]} lookup ${guestTable}`)
        }
        const dropped = async (more: number) => {
          const enough = (await counted('spoofed_source')) + more
          while ((await counted('spoofed_source')) < enough) await sleep(50)
        }
        viaGuest('add')
        await dropped(16)
        const before = await bytes()
        const probes = families.flatMap((family) =>
          (['tcp', 'udp'] as const).flatMap((kind) => [
            probe(3_000, kind, ['front', 'service'], family),
            probe(3_000, kind, ['front', 'web'], family),
            probe(3_000, 'door', ['front', 'service'], family),
            probe(30_000, kind, ['guest', 'web'], family),
          ]),
        )
        const ends = (await Promise.all(probes)).map(({ ended }) => ended)
        assert.deepEqual(ends, Array(4).fill(['timeout', 'timeout', 'timeout', 'open']).flat())
        assert.deepEqual(await bytes(), before)
        const { ports: by } = await town.statsOf(proxy)
        const spoofed = ['client', 'server', 'guest'].filter((port) => by[port]!.spoofedPackets > 0)
        assert.deepEqual(spoofed, ['guest'])

        viaGuest('del')
        await moved()
        for (const each of talks) assert.equal(await each.end(), 'whole')
      })
    })
})
