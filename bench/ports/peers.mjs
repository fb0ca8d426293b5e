// What is compared. Each carries the client's requests to the server in its own way, and puts into `undo` how what it
// makes is removed, the last first.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ip, netnsPath, run, Running } from './programs.mjs'
import { address, answers, client, indexOf, joinByVeth, proxy, server, serverPort } from './town.mjs'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const gateway = '169.254.1.1'
const virtual = { address: '10.96.77.1', port: 80 }
const sides = [
  { netns: client, own: '10.77.1.2', name: 'client' },
  { netns: server, own: '10.77.2.2', name: 'server' },
]

export function buildForwarder(folder) {
  run(['gcc', '-O2', '-o', join(folder, 'forwarder'), here('forwarder.c')])
}

function start(undo, command) {
  const program = new Running(command, { netns: proxy, core: 0 })
  undo.push(() => program.stop())
  return program.ready()
}

const startForwarder = (folder, undo, ends) => start(undo, [join(folder, 'forwarder'), ...ends])

const directUrl = `http://10.77.0.3:${serverPort}`

// Client and server on one link, which the forwarder is.
async function openForwarder(folder, undo) {
  await startForwarder(folder, undo, [netnsPath(client), 'fp0', netnsPath(server), 'fp0'])
  for (const [netns, own] of [
    [client, '10.77.0.2/24'],
    [server, '10.77.0.3/24'],
  ]) {
    address(netns, 'fp0', own)
    ip(`-n ${netns} link set fp0 up`)
  }
  return directUrl
}

function joinSides(undo) {
  for (const { netns, name } of sides) {
    joinByVeth(netns, `veth-${name}`, 'eth0')
    undo.push(() => ip(`-n ${proxy} link del veth-${name}`))
  }
}

// Each frame that comes in by `from` goes out by `to`, by a program on tc.
function steer(folder, from, to) {
  const object = join(folder, `steer-${from}.o`)
  const include = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  const flags = ['-O2', '-g', '-target', 'bpf', `-I${include}`, `-DTO=${indexOf(proxy, to)}`]
  run(['clang', ...flags, '-c', here('steer.bpf.c'), '-o', object])
  run(['tc', 'qdisc', 'add', 'dev', from, 'clsact'], proxy)
  run(['tc', 'filter', 'add', 'dev', from, 'ingress', 'bpf', 'da', 'obj', object, 'sec', 'tc'], proxy)
}

async function openSteeredForwarder(folder, undo) {
  joinSides(undo)
  address(client, 'eth0', '10.77.0.2/24')
  address(server, 'eth0', '10.77.0.3/24')
  await startForwarder(folder, undo, [netnsPath(proxy), 'tap-client', netnsPath(proxy), 'tap-server'])
  for (const name of ['client', 'server']) {
    run(['sysctl', '-qw', `net.ipv6.conf.tap-${name}.disable_ipv6=1`], proxy)
    ip(`-n ${proxy} link set tap-${name} arp off up`)
    steer(folder, `veth-${name}`, `tap-${name}`)
    steer(folder, `tap-${name}`, `veth-${name}`)
  }
  return directUrl
}

const meshOf = (portOf) => ({
  ports: Object.fromEntries(sides.map((side) => [side.name, portOf(side)])),
  workloads: Object.fromEntries(sides.map(({ name, own }) => [name, { on: name, addresses: [own] }])),
  services: { web: { ...virtual, endpoints: [{ workload: 'server', port: serverPort }] } },
})

async function startFlatProxy(undo, mesh) {
  await start(undo, [process.execPath, here('flatproxy.mjs'), JSON.stringify(mesh)])
  return `http://${virtual.address}`
}

function openTaps(_, undo) {
  const portOf = ({ netns, own }) => ({
    type: 'tap',
    name: 'fp0',
    netns,
    addresses: [`${own}/32`],
    routes: [{ to: `${gateway}/32` }, { to: '0.0.0.0/0', via: gateway }],
    own: [gateway],
  })
  return startFlatProxy(undo, meshOf(portOf))
}

function openIfaces(_, undo) {
  joinSides(undo)
  for (const { netns, own } of sides) {
    address(netns, 'eth0', `${own}/32`)
    ip(`-n ${netns} route add ${gateway} dev eth0 scope link`)
    ip(`-n ${netns} route add default via ${gateway} dev eth0`)
  }
  return startFlatProxy(
    undo,
    meshOf(({ name }) => ({ type: 'iface', interface: `veth-${name}`, own: [gateway] })),
  )
}

const openers = {
  forwarder: openForwarder,
  'flatproxy-tap': openTaps,
  'forwarder-iface': openSteeredForwarder,
  'flatproxy-iface': openIfaces,
}

export const peerNames = Object.keys(openers)

// The floor that each is held against.
export const floors = { 'flatproxy-tap': 'forwarder', 'flatproxy-iface': 'forwarder-iface' }

// Calls `use` with the URL at which the peer answers; nothing of the peer is left afterwards.
export async function withPeer(name, folder, use) {
  const undo = []
  try {
    const url = await openers[name](folder, undo)
    await answers(`${url}/small`)
    return await use(url)
  } finally {
    for (const step of undo.reverse()) await step()
  }
}
