import type { Case, Kind } from '../cases.js'
import type { Target } from '../measure/clients.js'
import type { Device, Undo } from '../town/links.js'
import type { Running } from '../town/programs.js'
import { ports, type Town } from '../town/town.js'

/** What a peer is opened with. */
export interface Site {
  readonly town: Town
  /** Where the peer puts how what it makes is removed. */
  readonly undo: Undo
  /** Where what was fetched is kept between runs. */
  readonly cache: string
  /** For its own program. */
  readonly environment: Readonly<Record<string, string>>
}

/** A peer that carries. */
export interface Opened {
  readonly target: (work: Case) => Target
  /** Its process; what carries in the kernel has none. */
  readonly program?: Running
  readonly devices: { readonly peers: readonly Device[]; readonly proxy: readonly Device[] }
}

/** One way to carry the client's requests to the server. */
export interface Peer {
  readonly name: string
  /** Why it cannot carry a case, although it is to; false when the case is not its business; undefined when it can. */
  refuses(work: Case): string | false | undefined
  /** What it lacks on this machine, or undefined; may fetch it. */
  lacks?(cache: string): Promise<string | undefined>
  open(site: Site): Promise<Opened>
  /** Has no process: its work is put on the proxy's core by RPS. */
  readonly inKernel?: boolean
  /** Leaves the connection as it is: both of its sockets are the client's and the server's. */
  readonly endToEnd?: boolean
  /** The peer that does only what this one cannot do without. */
  readonly floor?: string
}

/** Carries these kinds; handlers in JavaScript are of Node's servers only. */
export const only =
  (...kinds: readonly Kind[]) =>
  ({ base, kind }: Case): false | undefined =>
    base !== 'handler' && kinds.includes(kind) ? undefined : false

/** Where the server itself answers. */
export const serverAt = (address: string, { kind }: Case): Target => ({
  address,
  port: kind === 'tls' ? ports.serverTls : ports.server,
  tls: kind === 'tls',
})

/** Where a proxy with listeners of its own answers. */
export const listenerAt = (address: string, { kind, base }: Case): Target => {
  const plain = base === 'routes-1k' ? ports.routes : ports.http
  const port = { http: plain, tls: ports.https, tcp: ports.tcp, l4: ports.tcp }[kind]
  return { address, port, tls: kind === 'tls' }
}

export const vethEnds = ({ client, server, proxy }: Town): Opened['devices'] => ({
  peers: [client, server].map((netns) => ({ netns, name: 'eth0' })),
  proxy: ['veth-client', 'veth-server'].map((name) => ({ netns: proxy, name })),
})
