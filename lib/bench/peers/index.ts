import { FlatProxyError } from '../../errors.js'
import type { Case } from '../cases.js'
import { direct, forwarder, steeredForwarder } from './forwarders.js'
import { flatproxyIface, flatproxyKernel, flatproxyTap } from './flatproxy.js'
import { nftables, tcsplice } from './kernel.js'
import type { Peer } from './peer.js'
import { envoy, fastify, haproxy, httpProxy, nginx, nodeHttp } from './proxies.js'

const all: readonly Peer[] = [
  direct,
  forwarder,
  steeredForwarder,
  tcsplice,
  flatproxyTap,
  flatproxyIface,
  flatproxyKernel,
  nftables,
  haproxy,
  nginx,
  envoy,
  httpProxy,
  fastify,
  nodeHttp,
]

export const peerNames: readonly string[] = all.map(({ name }) => name)

/** What `--quick` measures: of the floors one. */
export const quickPeers: readonly string[] = peerNames.filter(
  (name) => !['forwarder-iface', 'tcsplice', 'flatproxy-kernel', 'node-http'].includes(name),
)

/** A floor only where the peer that stands on it carries the case: what it does there, `direct` nearly tells. */
export function whereNeeded(peer: Peer): Peer {
  const above = all.filter(({ floor }) => floor === peer.name)
  if (above.length === 0) return peer
  const isNeeded = (work: Case) => above.some((each) => each.refuses(work) === undefined)
  return { ...peer, refuses: (work) => peer.refuses(work) ?? (isNeeded(work) ? undefined : false) }
}

/** `NAME@2` is the same peer once more: what the instrument says of the two is checked by it. */
const baseOf = (name: string) => name.replace(/@\d$/, '')

/** The peer of a name, or an error that lists what there is. */
export function peerOf(name: string): Peer {
  const found = all.find((each) => each.name === baseOf(name))
  if (found) return { ...found, name }
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `no such peer: ${name} (${peerNames.join(', ')})`)
}
