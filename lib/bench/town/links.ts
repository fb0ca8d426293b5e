import { run, ip } from './programs.js'
import { cores, type Town } from './town.js'

/** How what a peer makes is removed, the last first. */
export type Undo = (() => unknown)[]

/** A network device: where it is, and its name there. */
export interface Device {
  readonly netns: string
  readonly name: string
}

/** What the proxy stands between: two veth pairs, ends `eth0` in client and server, `veth-…` in the proxy's namespace. */
export function joinSides(town: Town, undo: Undo): void {
  for (const [netns, name] of [
    [town.client, 'client'],
    [town.server, 'server'],
  ] as const) {
    ip(`-n ${town.proxy} link add veth-${name} type veth peer name eth0 netns ${netns}`)
    undo.push(() => ip(`-n ${town.proxy} link del veth-${name}`))
    ip(`-n ${town.proxy} link set veth-${name} up`)
    ip(`-n ${netns} link set eth0 up`)
  }
}

export const address = (netns: string, device: string, own: string): string =>
  ip(`-n ${netns} addr add ${own} dev ${device}`)

/** Client and server with the proxy's namespace as their router. */
export function joinAsRouter({ town, undo }: { town: Town; undo: Undo }): void {
  joinSides(town, undo)
  for (const [netns, name, net] of [
    [town.client, 'client', '10.77.1'],
    [town.server, 'server', '10.77.2'],
  ] as const) {
    address(town.proxy, `veth-${name}`, `${net}.1/24`)
    address(netns, 'eth0', `${net}.2/24`)
    ip(`-n ${netns} route add default via ${net}.1`)
  }
}

interface Link {
  readonly ifindex: number
  readonly address: string
}

export const linkOf = (netns: string, device: string): Link =>
  (JSON.parse(ip(`-n ${netns} -j link show dev ${device}`)) as [Link])[0]

/**
 * Puts a device's receive work on a core (RPS), or leaves it where it falls: on veth and tap devices, on the core that
 * sent.
 */
export function receiveOn({ netns, name }: Device, core: number | undefined): void {
  const mask = core === undefined ? '0' : (1 << core).toString(16)
  const script = `for queue in /sys/class/net/${name}/queues/rx-*; do echo ${mask} > $queue/rps_cpus; done`
  // Unlike nsenter it mounts the namespace's own /sys.
  run(['ip', 'netns', 'exec', netns, 'sh', '-ec', script])
}

/** Each host's receive work where a case wants it. What carries in the kernel alone has no other place than its core. */
export function placeReceiveWork(
  devices: { readonly peers: readonly Device[]; readonly proxy: readonly Device[] },
  own: boolean,
  inKernel: boolean,
): void {
  for (const device of devices.peers) receiveOn(device, own ? cores.peers : undefined)
  for (const device of devices.proxy) receiveOn(device, own || inKernel ? cores.proxy : undefined)
}
