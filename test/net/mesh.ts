// The mesh of the tests: a web service, an echo service and iperf3's, by IPv4 and IPv6, over two ports of some type.
import type { Mesh } from '#lib/index.js'
import { families, hosts, lengths, names, serverPort, sides, virtual, type Side } from './town.js'

type Port = NonNullable<Mesh['ports']>[string]

export const iperfPort = 5201
export const services = { web: 80, echo: 7 } as const
/** Listeners in front of the same servers, whose connections end at the node. */
export const listeners = { web: 81, iperf: 5202 } as const

export const ifacePort =
  (take: 'all' | 'matched') =>
  (side: Side): Port => ({ type: 'iface', interface: side, take })

export const tapPort = (side: Side): Extract<Port, { type: 'tap' }> => ({
  type: 'tap',
  name: 'eth0',
  netns: names[side],
  addresses: families.map((family) => `${hosts[side][family]}/${lengths[family]}`),
  routes: families.map((family) => ({
    to: family === 'v4' ? '0.0.0.0/0' : '::/0',
    via: hosts[side].gateway[family],
  })),
  own: gatewayOf(side),
})

export const ethdevPort =
  (driver: 'net_af_packet' | 'net_af_xdp') =>
  (side: Side): Port => ({ type: 'ethdev', devargs: `${driver}_${side},iface=${side}`, own: gatewayOf(side) })

const gatewayOf = (side: Side) => families.map((family) => `${hosts[side].gateway[family]}/${lengths[family]}`)

/** The client's port loses, reorders, duplicates and corrupts frames, both ways. */
export const faultyTap =
  (faults: Omit<Extract<Port, { type: 'fault' }>, 'type' | 'port' | 'seed'>) =>
  (side: Side): Port =>
    side === 'server' ? tapPort(side) : { type: 'fault', port: tapPort(side), seed: 1, ...faults }

export function meshOf(portOf: (side: Side) => Port): Mesh {
  const address = Object.values(virtual)
  const at = (port: number) => ({ address, endpoints: [{ workload: 'server', port }] })
  return {
    ports: Object.fromEntries(sides.map((side) => [side, portOf(side)])),
    workloads: Object.fromEntries(
      sides.map((side) => [side, { on: side, addresses: families.map((family) => hosts[side][family]) }]),
    ),
    services: {
      web: { ...at(serverPort), port: services.web },
      echo: { ...at(serverPort), port: services.echo, protocol: 'udp' },
      iperf: { ...at(iperfPort), port: iperfPort },
    },
    listeners: {
      web: { address, port: listeners.web, protocol: 'tcp' },
      iperf: { address, port: listeners.iperf, protocol: 'tcp' },
    },
    routes: (['web', 'iperf'] as const).map((name) => ({
      name,
      listeners: [name],
      rules: [{ backendRefs: [{ service: name }] }],
    })),
  }
}
