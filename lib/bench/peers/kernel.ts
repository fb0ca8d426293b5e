import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { compileBpf, configure, findProgram } from '../town/files.js'
import { joinAsRouter, linkOf } from '../town/links.js'
import { run } from '../town/programs.js'
import { ports, type Town } from '../town/town.js'
import { only, vethEnds, type Opened, type Peer } from './peer.js'

const virtual = '10.96.77.1'
const server = '10.77.2.2'
const toPort80 = (town: Town): Opened => ({
  target: () => ({ address: virtual, port: 80, tls: false }),
  devices: vethEnds(town),
})

/** The kernel's own DNAT. */
export const nftables: Peer = {
  name: 'nftables',
  inKernel: true,
  endToEnd: true,
  refuses: only('l4'),
  lacks: async () => (findProgram('nft') ? undefined : 'nftables is not installed'),
  async open({ town, undo }) {
    joinAsRouter({ town, undo })
    run(['sysctl', '-qw', 'net.ipv4.ip_forward=1'], town.proxy)
    const rules = configure(town.folder, 'nftables.nft', { VIRTUAL: virtual, SERVER: server })
    run(['nft', '-f', rules], town.proxy)
    undo.push(() => run(['nft', 'delete', 'table', 'ip', 'flatproxy-bench'], town.proxy))
    return toPort80(town)
  },
}

/** An IPv4 address as an initialiser in network order, whatever the machine's. */
const networkOrder = (text: string) =>
  `bpf_htonl(0x${text
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')})`

const bytesOf = (mac: string) => mac.split(':').map((part) => `0x${part}`)

/** The new head of frames that leave by `exit`: the neighbour's MAC, then the exit's own. */
const head = (town: Town, netns: string, exit: string) =>
  `{${[...bytesOf(linkOf(netns, 'eth0').address), ...bytesOf(linkOf(town.proxy, exit).address)].join()}}`

/** An eBPF splice: the floor for connections that the kernel tier carries. */
export const tcsplice: Peer = {
  name: 'tcsplice',
  inKernel: true,
  endToEnd: true,
  refuses: only('http', 'tcp', 'l4'),
  lacks: async () => (findProgram('clang') && findProgram('bpftool') ? undefined : 'clang or bpftool is not installed'),
  async open({ town, undo }) {
    joinAsRouter({ town, undo })
    const object = compileBpf(town.folder, 'tcsplice.bpf.c', 'tcsplice', [
      `SERVER=${networkOrder(server)}`,
      `SERVER_PORT=${ports.server}`,
      `CLIENT_SIDE=${linkOf(town.proxy, 'veth-client').ifindex}`,
      `SERVER_SIDE=${linkOf(town.proxy, 'veth-server').ifindex}`,
      `TO_SERVER=${head(town, town.server, 'veth-server')}`,
      `TO_CLIENT=${head(town, town.client, 'veth-client')}`,
    ])
    const pins = join(town.folder, 'bpf')
    mkdirSync(pins, { recursive: true })
    run(['mount', '-t', 'bpf', 'bpf', pins])
    undo.push(() => run(['umount', pins]))
    run(['bpftool', 'prog', 'loadall', object, join(pins, 'tcsplice')])
    for (const side of ['client', 'server']) {
      run(['tc', 'qdisc', 'add', 'dev', `veth-${side}`, 'clsact'], town.proxy)
      const pinned = join(pins, 'tcsplice', `from_${side}`)
      run(['tc', 'filter', 'add', 'dev', `veth-${side}`, 'ingress', 'bpf', 'da', 'pinned', pinned], town.proxy)
    }
    return toPort80(town)
  },
}
