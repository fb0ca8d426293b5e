// The kernel's TCP on both sides of a node that intercepts its connections: between joined ports, where nobody sees the
// node, and as a router.
// timeout: 300 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import type { Mesh } from '#lib/index.js'
import { tapPort } from './mesh.js'
import * as town from './town.js'
import { families, hosts, names, serverPort, sides, type Side } from './town.js'

/** Both sides on one link. */
const link = {
  client: { v4: '10.88.3.2', v6: 'fd88:3::2' },
  server: { v4: '10.88.3.3', v6: 'fd88:3::3' },
} as const

const iperfPorts = { passes: 5201, intercepted: 5202 } as const
const anywhere = ['0.0.0.0/0', '::/0']
const everything = {
  listeners: {
    all: { address: anywhere, port: serverPort, protocol: 'tcp' },
    iperf: { address: anywhere, port: iperfPorts.intercepted, protocol: 'tcp' },
  },
  routes: [{ name: 'all', listeners: ['all', 'iperf'], rules: [{ backendRefs: [{ originalDestination: true }] }] }],
} as const

const joinedTaps: Mesh = {
  ports: Object.fromEntries(
    sides.map((side) => [
      side,
      {
        type: 'tap',
        name: 'eth0',
        netns: names[side],
        addresses: [`${link[side].v4}/24`, `${link[side].v6}/64`],
        ...(side === 'client' && { joined: 'server' }),
      },
    ]),
  ),
  ...everything,
}

/** A router, whose services are reached from the client's address. */
const router: Mesh = {
  ports: { client: tapPort('client'), server: tapPort('server') },
  workloads: Object.fromEntries(
    sides.map((side) => [side, { on: side, addresses: families.map((family) => hosts[side][family]) }]),
  ),
  services: {
    web: { port: 80, sourceAddress: 'client', endpoints: [{ workload: 'server', port: serverPort }] },
  },
  listeners: {
    ...everything.listeners,
    web: { address: Object.values(town.virtual), port: 81, protocol: 'tcp' },
  },
  routes: [...everything.routes, { name: 'web', listeners: ['web'], rules: [{ backendRefs: [{ service: 'web' }] }] }],
}

/** A server that says who has connected, then what it gets. */
const mirror = `
  require('net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.write(socket.remoteAddress.replace('::ffff:', '') + ' ' + socket.remotePort + '\\n')
    socket.pipe(socket)
  }).listen(${serverPort}, '::', () => console.log('ready'))`
/** A client that prints who it was to the server, and its own port. */
const stranger = (address: string, port: number) => `
  const socket = require('net').connect(${port}, '${address}')
  socket.end('hello')
  let said = ''
  socket.on('connect', () => said += socket.localPort + ' ')
  socket.on('data', (data) => said += data)
  socket.on('close', () => console.log(said))`

async function seenAs(
  address: string,
  port: number,
): Promise<{ own: string; seen: string; port: string; echo: string }> {
  const printed = await town.run('client', process.execPath, '-e', stranger(address, port))
  const [own, seen, seenPort, echo] = printed.trim().split(/\s+/)
  return { own: own!, seen: seen!, port: seenPort!, echo: echo! }
}

const macOf = (side: Side, device = 'eth0') =>
  /link\/ether (\S+)/.exec(town.ip('-n', names[side], 'link show', device))![1]!
const neighborOf = (address: string) => town.ip('-n', names.client, 'neigh show', address)

describe('interception', { skip: town.cannotRun }, () => {
  before(async () => {
    town.openTown()
    await town.start('server', process.execPath, '-e', mirror)
    for (const port of Object.values(iperfPorts))
      void town.start('server', 'iperf3', '-s', '-p', String(port)).catch(() => {})
  })
  after(town.closeTown)

  async function interceptedBy(proxy: ChildProcess, listener = 'all'): Promise<number> {
    return (await town.statsOf(proxy)).listeners[listener]!.relayed
  }
  async function runsIperf(address: string, port: number): Promise<void> {
    for (const options of [[], ['-R']]) {
      const printed = await town.run('client', 'iperf3', '-J', '-t', '1', '-p', String(port), '-c', address, ...options)
      const { end } = JSON.parse(printed) as { end: { sum_received: { bytes: number } } }
      assert.ok(end.sum_received.bytes > 1_000_000)
    }
  }

  describe('between joined ports', () => {
    let proxy: ChildProcess
    before(async () => {
      proxy = await town.startProxy(joinedTaps)
    })
    after(() => town.stop(proxy))

    it('hosts see each other, and no node', async () => {
      for (const family of families)
        await town.run('client', 'ping', '-c', '2', '-i', '0.05', '-W', '2', link.server[family])
      await town.run('client', 'ping', '-c', '1', '-W', '2', '-s', '4000', link.server.v4)
      assert.ok(neighborOf(link.server.v4).includes(macOf('server')))
      assert.ok(neighborOf(link.server.v6).includes(macOf('server')))
    })

    for (const where of families)
      it(`connections are intercepted, and show their client, ${where}`, async () => {
        const before = await interceptedBy(proxy)
        const { own, seen, port, echo } = await seenAs(link.server[where], serverPort)
        assert.deepEqual([seen, port, echo], [link.client[where], own, 'hello'])
        assert.equal(await interceptedBy(proxy), before + 1)
      })

    it('other ports pass', async () => {
      const before = await interceptedBy(proxy)
      for (const family of families) await runsIperf(link.server[family], iperfPorts.passes)
      assert.equal(await interceptedBy(proxy), before)
    })

    it('much is carried', async () => {
      for (const family of families) await runsIperf(link.server[family], iperfPorts.intercepted)
      assert.ok((await interceptedBy(proxy, 'iperf')) >= 8)
    })

    it('what nobody answers is refused by its endpoint', async () => {
      await assert.rejects(town.run('client', 'curl', '-sf', '--max-time', '5', `http://${link.server.v4}:1/`))
    })
  })

  describe('by a router', () => {
    let proxy: ChildProcess
    before(async () => {
      proxy = await town.startProxy(router)
    })
    after(() => town.stop(proxy))

    for (const family of families) {
      it(`what passes through shows its client, ${family}`, async () => {
        const { own, seen, port, echo } = await seenAs(hosts.server[family], serverPort)
        assert.deepEqual([seen, port, echo], [hosts.client[family], own, 'hello'])
        assert.ok((await interceptedBy(proxy)) > 0)
      })
      it(`a service is reached from the client's address, ${family}`, async () => {
        const { own, seen, port, echo } = await seenAs(town.virtual[family], 81)
        assert.deepEqual([seen, port, echo], [hosts.client[family], own, 'hello'])
        assert.ok((await interceptedBy(proxy, 'web')) > 0)
      })
    }
  })
})
