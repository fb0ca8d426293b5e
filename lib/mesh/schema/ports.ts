import { duration, list, literal, object, optional, rate, tagged, text, whole, word, type Static } from '../kit.js'

const own = optional(
  list(text('interfaceAddress'), {
    description:
      "Flatproxy's own addresses on this port: the source of ICMP errors, ARP, ND, probes and upstream connections. " +
      "With a prefix length ('10.0.0.1/24') the prefix is connected: it is reached through this port.",
  }),
)

const joined = optional(
  text('name', {
    description:
      'Another port: the two are one link, as a bump in the wire. What comes by one leaves by the other as it is, but for ' +
      'what listeners intercept and policies deny. Neither has addresses. It is enough that one of them says so.',
  }),
)

const iface = object(
  {
    type: literal('iface'),
    interface: text('interfaceName', { description: 'The name of the interface.' }),
    take: optional(
      word(['all', 'matched'], {
        default: 'all',
        description:
          "'all': flatproxy owns the interface. 'matched': it takes what a service or listener claims, and " +
          'leaves the rest to the kernel.',
      }),
    ),
    onExit: optional(
      word(['release', 'block'], {
        default: 'release',
        description:
          "What becomes of the interface when flatproxy ends or hangs. 'release': the kernel has it back. 'block': " +
          'nothing passes until `flatproxy unblock`.',
      }),
    ),
    delivery: optional(
      word(['peer', 'device'], {
        default: 'peer',
        description:
          "How frames reach a container by its veth. 'peer': straight into the container, for less CPU; they pass the " +
          "interface's own end unseen (tcpdump, counters, egress programs). So only where the interface has no queueing " +
          "discipline and the container's end no XDP program when the port opens; elsewhere, and with 'device', by the " +
          'interface.',
      }),
    ),
    watchdog: optional(
      duration({
        minimum: 100,
        maximum: 60_000,
        default: '200ms',
        description: 'The age of a heartbeat at which a lane counts as dead. From 100 ms to 60 s.',
      }),
    ),
    own,
    joined,
    netns: optional(
      text('namespace', { description: 'The network namespace of the interface. Default: the one of flatproxy.' }),
    ),
  },
  { description: "A kernel interface that exists already: a container's veth end, a bridge port, a NIC of any make." },
)

const tapRoute = object({
  to: text('prefix', { description: 'The prefix that is reached through the device.' }),
  via: optional(text('address', { description: 'The gateway. Default: none, the prefix is on the link.' })),
})

const tap = object(
  {
    type: literal('tap'),
    name: optional(text('interfaceName', { description: 'The name of the device. Default: the kernel chooses one.' })),
    netns: optional(
      text('namespace', { description: 'The network namespace that the device is moved into. Default: none.' }),
    ),
    addresses: optional(
      list(text('interfaceAddress'), { description: "Addresses that the kernel's side of the device is given." }),
    ),
    routes: optional(list(tapRoute, { description: "Routes that the kernel's side is given." })),
    mtu: optional(
      whole({ minimum: 576, maximum: 65_521, default: 1_500, description: 'Bytes of the largest IP packet.' }),
    ),
    own,
    joined,
    queues: optional(
      whole({ minimum: 1, maximum: 256, description: 'Queues of the device. Default: as many as there are lanes.' }),
    ),
  },
  { description: 'A kernel TAP device, created and removed by flatproxy.' },
)

const ethdev = object(
  {
    type: literal('ethdev'),
    devargs: text('devargs', { description: "The device's DPDK arguments: '0000:03:00.0', 'net_af_xdp0,iface=eth1'." }),
    own,
    joined,
  },
  { description: 'Any DPDK device.' },
)

const pcap = object(
  {
    type: literal('pcap'),
    read: optional(text('path', { description: 'The capture (pcap or pcapng) that packets come from.' })),
    write: optional(text('path', { description: 'The capture (pcapng) that packets go to.' })),
    own,
    joined,
  },
  { description: "Captures, in the virtual time of the packets' timestamps." },
)

const memory = object(
  {
    type: literal('memory'),
    own,
    joined,
    mtu: optional(
      whole({ minimum: 576, maximum: 65_535, default: 1_500, description: 'Bytes of the largest IP packet.' }),
    ),
  },
  { description: 'A pair of queues in this process: `port(name)` of the proxy sends and receives.' },
)

const plain = [iface, tap, ethdev, pcap, memory] as const

const fault = object(
  {
    type: literal('fault'),
    port: tagged('type', [...plain], { description: 'The port that is wrapped; not another fault port.' }),
    seed: whole({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'The same seed gives the same faults.' }),
    drop: optional(rate('Share of frames that are lost, 0 to 1.')),
    duplicate: optional(rate('Share of frames that come twice, 0 to 1.')),
    reorder: optional(rate('Share of frames that later ones overtake, 0 to 1.')),
    corrupt: optional(rate('Share of frames in which one bit is flipped, 0 to 1.')),
    joined,
    delay: optional(
      duration({ minimum: 0, maximum: 10_000, default: 0, description: 'Time that each frame takes. Up to 10 s.' }),
    ),
  },
  { description: 'Wraps a port and impairs what it receives and sends.' },
)

export const port = tagged('type', [...plain, fault], { description: 'Where packets come from and go to.' })

/**
 * Where packets come from and go to: `iface`, `tap`, `ethdev`, `pcap`, `memory`, or `fault` around one of them.
 */
export type Port = Static<typeof port>
