import { join } from 'node:path'
import { compileBpf, findProgram } from '../town/files.js'
import { address, joinSides, linkOf } from '../town/links.js'
import { ip, netnsPath, run, Running } from '../town/programs.js'
import { cores, type Town } from '../town/town.js'
import { only, serverAt, vethEnds, type Opened, type Peer, type Site } from './peer.js'

const addresses = { client: '10.77.0.2/24', server: '10.77.0.3/24' }
const serverAddress = '10.77.0.3'
const everything = only('http', 'tls', 'tcp', 'l4')

/** No proxy at all: one veth pair between client and server. */
export const direct: Peer = {
  name: 'direct',
  endToEnd: true,
  // Nothing stands between: nothing has memory.
  refuses: (work) => (work.base === 'idle' ? false : everything(work)),
  async open({ town, undo }) {
    ip(`-n ${town.client} link add eth0 type veth peer name eth0 netns ${town.server}`)
    undo.push(() => ip(`-n ${town.client} link del eth0`))
    settle(town, 'eth0')
    return opened(town, 'eth0')
  },
}

function settle(town: Town, device: string): void {
  address(town.client, device, addresses.client)
  address(town.server, device, addresses.server)
  for (const netns of [town.client, town.server]) ip(`-n ${netns} link set ${device} up`)
}

const opened = ({ client, server }: Town, name: string, program?: Running): Opened => ({
  target: (work) => serverAt(serverAddress, work),
  devices: { peers: [client, server].map((netns) => ({ netns, name })), proxy: [] },
  ...(program && { program }),
})

async function startForwarder({ town, undo, environment }: Site, ends: readonly string[]): Promise<Running> {
  const command = [join(town.folder, 'forwarder'), ...ends]
  const program = new Running(command, { netns: town.proxy, core: cores.proxy, environment })
  undo.push(() => program.stop())
  await program.ready()
  return program
}

/** A raw forwarder between two taps: the floor for tap ports. Looks at nothing. */
export const forwarder: Peer = {
  name: 'forwarder',
  endToEnd: true,
  refuses: everything,
  async open(site) {
    const { town } = site
    const program = await startForwarder(site, [netnsPath(town.client), 'fp0', netnsPath(town.server), 'fp0'])
    settle(town, 'fp0')
    return opened(town, 'fp0', program)
  },
}

/** Each frame that comes in by `from` goes out by `to`, by a program on tc. */
function steer({ folder, proxy }: Town, from: string, to: string): void {
  const object = compileBpf(folder, 'steer.bpf.c', `steer-${from}`, [`TO=${linkOf(proxy, to).ifindex}`])
  run(['tc', 'qdisc', 'add', 'dev', from, 'clsact'], proxy)
  run(['tc', 'filter', 'add', 'dev', from, 'ingress', 'bpf', 'da', 'obj', object, 'sec', 'tc'], proxy)
}

/** The same behind steering on tc: the floor for iface ports. */
export const steeredForwarder: Peer = {
  name: 'forwarder-iface',
  endToEnd: true,
  refuses: everything,
  lacks: async () => (findProgram('clang') ? undefined : 'clang is not installed'),
  async open(site) {
    const { town, undo } = site
    joinSides(town, undo)
    settle(town, 'eth0')
    const ends = ['tap-client', 'tap-server'].flatMap((name) => [netnsPath(town.proxy), name])
    const program = await startForwarder(site, ends)
    for (const name of ['client', 'server']) {
      run(['sysctl', '-qw', `net.ipv6.conf.tap-${name}.disable_ipv6=1`], town.proxy)
      ip(`-n ${town.proxy} link set tap-${name} arp off up`)
      steer(town, `veth-${name}`, `tap-${name}`)
      steer(town, `tap-${name}`, `veth-${name}`)
    }
    return { target: (work) => serverAt(serverAddress, work), devices: vethEnds(town), program }
  },
}
