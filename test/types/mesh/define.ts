// What defineMesh infers, and what must not compile.
import {
  defineMesh,
  UnsupportedError,
  type Backend,
  type Change,
  type Endpoint,
  type Filter,
  type Listener,
  type Mesh,
  type Port,
  type Problem,
} from 'flatproxy'

const ports = { a: { type: 'memory' }, b: { type: 'fault', port: { type: 'memory' }, seed: 1, drop: 0.01 } } as const
const base = defineMesh({
  ports,
  forward: [{ to: '10.0.0.0/8', on: 'a', via: '10.0.0.1' }],
  workloads: { w: { on: 'a', addresses: ['10.0.0.1'] }, node: { on: 'host', addresses: [] } },
  services: {
    s: {
      address: '10.96.0.1',
      port: 80,
      affinity: 'source',
      healthCheck: { interval: '5s' },
      endpoints: [{ workload: 'w', port: 80 }],
    },
    t: { port: 1, hashOn: { cookie: 'c' }, sessionAffinity: { cookie: 'd', ttl: '1h' }, http: {}, endpoints: [] },
  },
  routes: [
    {
      name: 'r',
      rules: [
        {
          backendRefs: [{ handler: 'h' }, { service: 's' }],
          filters: [{ type: 'Hook', hook: 'k', timeout: 1, onTimeout: 'deny' }],
        },
        {
          matches: [{ headers: [{ name: 'x-a', value: '1' }], queryParams: [{ type: 'Exact', name: 'q', value: '' }] }],
          filters: [
            { type: 'RequestRedirect', path: { type: 'ReplaceFullPath', replaceFullPath: '/' }, statusCode: 308 },
          ],
          retry: { attempts: 2, codes: [503], on: ['reset'] },
        },
      ],
    },
  ],
  flows: { capacity: 1024, midstream: 'reject', timeouts: { udp: '1m' } },
})
export const inferred: Mesh<'s' | 't', 'h', 'k'> = base
export const wide: Mesh = base
// @ts-expect-error a service has been forgotten
export const narrow: Mesh<'s', 'h', 'k'> = base

export const port: Port = { type: 'tap', name: 'fp0', routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }], queues: 2 }
export const endpoint: Endpoint<'w'> = { workload: 'w', port: 1, weight: 2 }
export const describe = (problem: Problem, change: Change) => `${problem.path.join('.')} ${problem.line} ${change}`
export const paths = (error: UnsupportedError) => [error.code satisfies 'ERR_FLATPROXY_UNSUPPORTED', error.problems]

// @ts-expect-error both a workload and an address
export const both: Endpoint<'w'> = { workload: 'w', address: '10.0.0.1', port: 1 }
// @ts-expect-error a key of another type of port
export const mixed: Port = { type: 'memory', interface: 'eth0' }
// @ts-expect-error a fault port around a fault port
export const twice: Port = { type: 'fault', seed: 1, port: { type: 'fault', seed: 1, port: { type: 'memory' } } }
// @ts-expect-error no seed
export const seedless: Port = { type: 'fault', port: { type: 'memory' } }
// @ts-expect-error a duration without its unit
export const unitless: Port = { type: 'iface', interface: 'eth0', watchdog: '200' }
// @ts-expect-error an unknown port
defineMesh({ ports, forward: [{ to: '10.0.0.0/8', on: 'c' }] })
// @ts-expect-error a mirror to an unknown port
defineMesh({ ports, policies: [{ name: 'm', action: 'mirror', mirror: { port: 'c' } }] })
defineMesh({ ports, policies: [{ name: 'p', action: 'deny', on: ['a', 'host'] }] })
// @ts-expect-error a policy about flows by an unknown port
defineMesh({ ports, policies: [{ name: 'p', action: 'deny', on: ['a', 'c'] }] })
defineMesh({ ports, policies: [{ name: 'p', action: 'deny', vlan: 10 }] })
defineMesh({ ports, policies: [{ name: 'p', action: 'deny', vlan: [0, { id: 10, endId: 19 }] }] })
// @ts-expect-error a range without its end
defineMesh({ ports, policies: [{ name: 'p', action: 'deny', vlan: { id: 10 } }] })
// @ts-expect-error a limit of nothing
defineMesh({ ports, policies: [{ name: 'l', action: 'limit', limit: { rate: 5 } }] })
// @ts-expect-error an unknown way to balance
defineMesh({ ports, services: { s: { port: 1, balance: 'random', endpoints: [] } } })
// @ts-expect-error an unknown key of a service
defineMesh({ ports, services: { s: { port: 1, endpoints: [], adress: '10.0.0.1' } } })
// @ts-expect-error an unknown timeout
defineMesh({ ports, flows: { timeouts: { tcp: '1s' } } })
// @ts-expect-error undefined is not absent
defineMesh({ ports, flows: { capacity: undefined } })
// @ts-expect-error a redirect by another status
export const redirect: Filter = { type: 'RequestRedirect', statusCode: 304 }
// @ts-expect-error a path change without its path
export const rewrite: Filter = { type: 'URLRewrite', path: { type: 'ReplaceFullPath' } }
// @ts-expect-error a rewrite for one backend
export const backend: Backend = { service: 's', filters: [{ type: 'URLRewrite' }] }
// @ts-expect-error an unknown setting of HTTP
export const http: Listener = { address: '10.0.0.1', port: 1, protocol: 'http', http: { timeout: 1 } }
// @ts-expect-error no endpoints
defineMesh({ ports, services: { s: { port: 1 } } })
