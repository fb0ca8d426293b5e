import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mesh } from '../../mesh/types.js'
import { source } from '../town/files.js'
import { address, joinSides } from '../town/links.js'
import { ip, Running } from '../town/programs.js'
import { cores, ports, type Town } from '../town/town.js'
import { routePrefixes, type Case } from '../cases.js'
import { vethEnds, type Opened, type Peer, type Site } from './peer.js'

const gateway = '169.254.1.1'
const virtual = { address: '10.96.77.1', port: 80 }
/** The same server behind listeners: connections end at the proxy, or requests do. */
const listeners = {
  tcp: { address: virtual.address, port: 81 },
  http: { address: virtual.address, port: 82 },
  routes: { address: virtual.address, port: 83 },
  tls: { address: virtual.address, port: 443 },
}
const names = ['client', 'server'] as const
const owns = { client: '10.77.1.2', server: '10.77.2.2' }

/** What flatproxy can carry by now, and why not the rest. A feature that lands is a line that goes. */
export function refusedByFlatProxy({ base }: Case): string | undefined {
  return base === 'handler' ? 'flatproxy has no handlers yet' : undefined
}

type PortOf = (name: (typeof names)[number]) => Mesh['ports'][string]

const meshOf = ({ folder }: Town, portOf: PortOf): Mesh => ({
  ports: Object.fromEntries(names.map((name) => [name, portOf(name)])),
  workloads: Object.fromEntries(names.map((name) => [name, { on: name, addresses: [owns[name]] }])),
  services: { web: { ...virtual, endpoints: [{ workload: 'server', port: ports.server }] } },
  listeners: {
    tcp: { ...listeners.tcp, protocol: 'tcp' },
    http: { ...listeners.http, protocol: 'http' },
    routes: { ...listeners.routes, protocol: 'http' },
    tls: {
      ...listeners.tls,
      protocol: 'https',
      tls: { certificates: [{ certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }] },
    },
  },
  routes: [
    { name: 'tcp', listeners: ['tcp'], rules: [{ backendRefs: [{ service: 'web' }] }] },
    { name: 'http', listeners: ['http', 'tls'], rules: [{ backendRefs: [{ service: 'web' }] }] },
    ...routePrefixes.map((value, index) => ({
      name: `route-${index}`,
      listeners: ['routes'],
      rules: [{ matches: [{ path: { type: 'PathPrefix' as const, value } }], backendRefs: [{ service: 'web' }] }],
    })),
  ],
})

/** As its users run it: a process of Node with one lane on the proxy's core. */
async function start({ town, undo, environment }: Site, mesh: Mesh, devices: Opened['devices']): Promise<Opened> {
  const file = join(town.folder, 'flatproxy.json')
  writeFileSync(file, JSON.stringify(mesh))
  const command = [process.execPath, source('peers/flatproxy.mjs'), file]
  const program = new Running(command, { netns: town.proxy, core: cores.proxy, environment })
  undo.push(() => program.stop())
  await program.ready()
  const target = ({ kind, base }: Case) => {
    if (base === 'routes-1k') return listeners.routes
    return kind === 'l4' ? virtual : listeners[kind]
  }
  return { target: (work) => ({ ...target(work), tls: work.kind === 'tls' }), program, devices }
}

const netnsOf = (town: Town, name: (typeof names)[number]) => town[name]

export const flatproxyTap: Peer = {
  name: 'flatproxy-tap',
  floor: 'forwarder',
  endToEnd: true,
  refuses: refusedByFlatProxy,
  open(site) {
    const { town } = site
    const mesh = meshOf(town, (name) => ({
      type: 'tap',
      name: 'fp0',
      netns: netnsOf(town, name),
      addresses: [`${owns[name]}/32`],
      routes: [{ to: `${gateway}/32` }, { to: '0.0.0.0/0', via: gateway }],
      own: [gateway],
    }))
    return start(site, mesh, { peers: names.map((name) => ({ netns: netnsOf(town, name), name: 'fp0' })), proxy: [] })
  },
}

export const flatproxyIface: Peer = {
  name: 'flatproxy-iface',
  floor: 'forwarder-iface',
  endToEnd: true,
  refuses: refusedByFlatProxy,
  open(site) {
    const { town, undo } = site
    joinSides(town, undo)
    for (const name of names) {
      const netns = netnsOf(town, name)
      address(netns, 'eth0', `${owns[name]}/32`)
      ip(`-n ${netns} route add ${gateway} dev eth0 scope link`)
      ip(`-n ${netns} route add default via ${gateway} dev eth0`)
    }
    const mesh = meshOf(town, (name) => ({ type: 'iface', interface: `veth-${name}`, own: [gateway] }))
    return start(site, mesh, vethEnds(town))
  },
}

/** Carried by eBPF, once that is built. */
export const flatproxyKernel: Peer = {
  ...flatproxyIface,
  name: 'flatproxy-kernel',
  floor: 'tcsplice',
  inKernel: true,
  refuses: (work) => refusedByFlatProxy(work) ?? 'flatproxy has no kernel tier yet',
}
