import type { NativeStep } from '../native.js'
import type { Told, Words } from './explain-words.js'

/** What is wrong with a frame, by the reason that it is dropped for. */
const faults: Readonly<Record<string, string>> = {
  ethernet_truncated: 'it ends inside its Ethernet header',
  vlan_unknown: 'its VLAN id, 4095, is reserved',
  source_invalid: 'no host sends from such an address',
  destination_invalid: 'such a destination never comes on a wire',
  arp_malformed: 'it is no ARP of IPv4 over Ethernet as a host sends it',
  nd_malformed: 'it is no message of neighbour discovery as a host sends it (RFC 4861 section 7.1, RFC 6980)',
  ipv4_truncated: 'it ends inside its IPv4 header',
  ipv4_header_invalid: 'its IPv4 version, header length or options are no good',
  ipv4_checksum_bad: 'the checksum of its IPv4 header is wrong',
  ipv4_length_invalid: 'its IPv4 total length is shorter than its header or longer than the frame',
  ipv6_truncated: 'it ends inside its IPv6 header',
  ipv6_header_invalid: 'its IPv6 version is no good',
  ipv6_extension_invalid: 'its IPv6 extension headers are truncated, too many or not allowed',
  ipv6_length_invalid: 'its IPv6 payload length is longer than the frame',
  fragment_invalid:
    'such a fragment is not allowed: it holds no whole header, overlaps one or ends in no multiple of 8',
  tcp_truncated: 'it ends inside its TCP header',
  tcp_header_invalid: 'its TCP header length or flags make no sense',
  udp_truncated: 'it ends inside its UDP header',
  udp_length_invalid: 'its UDP length is shorter than its header or longer than the packet',
  icmp_truncated: 'it, or the packet that it quotes, ends inside its ICMP header',
  icmp_malformed: 'it quotes no packet that an ICMP error may be about',
  icmp_checksum_bad: 'its ICMP checksum is wrong',
  icmp_unrelated: 'it quotes a packet of a protocol without ports',
  tcp_checksum_bad: 'its TCP checksum is wrong',
  tcp_options_invalid: 'its TCP options cannot be read',
}

/** The steps that only frames have; see `words`. */
export const frameWords: Readonly<Record<string, (told: Told, step: NativeStep) => Words>> = {
  malformed: (_, { at }) => ['frame', '', 'drop', faults[at] ?? at],
  vlan: (_, { id }) => ['frame', `VLAN ${id}`, 'drop', 'tagged frames are not routed'],
  ether_type: (_, { id }) => [
    'frame',
    `EtherType 0x${(id ?? 0).toString(16).padStart(4, '0')}`,
    'drop',
    'it is neither IP nor ARP',
  ],
  group_mac: (_, { at }) => ['frame', at, 'drop', 'it is addressed to a group, or to everybody; those are not carried'],
  other_mac: ({ on }, { at }) => ['frame', at, 'drop', `it is not the MAC of ${on}`],
  link_answered: ({ on }, { at }) => ['neighbour', at, 'answered', `we answer for it on ${on}`],
  link_learned: (_, { at }) => ['neighbour', at, 'learned', 'the neighbour tells its MAC'],
  link_ignored: ({ on }, { at }) => [
    'neighbour',
    at,
    'drop',
    `we do not answer for it on ${on}, or it speaks for what is ours`,
  ],
  fragment_first: () => ['fragment', '', 'first', 'it tells the ports that the later ones follow'],
  fragment_later: () => ['fragment', '', 'later', 'it follows the first fragment of its packet, which is known'],
  fragment_waiting: () => [
    'fragment',
    '',
    'waits',
    'the first fragment of its packet, and with it the flow, is not known; it is dropped if that does not come',
  ],
  fragment_roce: () => ['fragment', '', 'drop', 'RoCEv2 has no fragments, and policies ask for its queue pair'],
  not_intercepted: ({ names }, { id }) => [
    'listener',
    names.listener(id ?? -1) ?? '',
    'passes by',
    'it opens no connection, and belongs to none that was intercepted',
  ],
  segment_fragmented: () => ['connection', '', 'drop', 'TCP that ends here takes no fragments'],
  segment_fault: (_, { at }) => ['connection', '', 'drop', faults[at] ?? at],
  no_connection: () => ['connection', '', 'reject', 'it opens no connection, and belongs to none that is open'],
  quotes_connection: () => [
    'connection',
    '',
    'takes it',
    'the packet that it quotes is of a connection that ends here',
  ],
  quotes_flow: (_, { at }) => [
    'flow',
    at,
    'found',
    'the packet that it quotes belongs to this flow, whose way it goes',
  ],
  quotes_none: () => ['flow', '', 'none', 'the packet that it quotes belongs to no flow'],
  quote_malformed: (_, { at }) => ['frame', '', 'drop', faults[at] ?? at],
  probe: () => ['health check', '', 'answered', 'it answers a health check of ours'],
}
