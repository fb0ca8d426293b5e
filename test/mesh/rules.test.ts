// What the schema cannot say: addresses, and what belongs together.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { told } from './told.js'

const ports = { a: { type: 'memory' } }
const certificate = { certificate: '/etc/flatproxy/a.pem', key: '/etc/flatproxy/a.key' }
const service = { address: '10.96.0.1', port: 80, endpoints: [{ address: '10.0.0.1', port: 8080 }] }

describe('addresses in a mesh', () => {
  const at = (address: unknown) => told({ ports, workloads: { w: { on: 'a', addresses: [address] } } })
  it('are of hosts, and strict', () => {
    assert.deepEqual(at('10.0.0.256'), ["workloads.w.addresses.0: '10.0.0.256' is not an IP address"])
    assert.deepEqual(at('10.0.0.01'), [
      "workloads.w.addresses.0: '10.0.0.01' is not an IP address | leave leading zeros out",
    ])
    assert.deepEqual(at('10.0.0.1/24'), [
      "workloads.w.addresses.0: '10.0.0.1/24' is not an IP address | leave the prefix length out: '10.0.0.1'",
    ])
    assert.deepEqual(at('fe80::1%eth0'), [
      "workloads.w.addresses.0: 'fe80::1%eth0' is not an IP address | leave the zone out",
    ])
    assert.deepEqual(at('[::1]'), ["workloads.w.addresses.0: '[::1]' is not an IP address | leave the brackets out"])
    assert.deepEqual(at('::ffff:10.0.0.1'), [
      "workloads.w.addresses.0: '::ffff:10.0.0.1' is an IPv4 address in IPv6's clothes | write it as '10.0.0.1'",
    ])
    assert.deepEqual(at('224.0.0.1'), ["workloads.w.addresses.0: '224.0.0.1' is a multicast address"])
    assert.deepEqual(at('::'), ["workloads.w.addresses.0: '::' is an unspecified address"])
    assert.deepEqual(at(10), [
      "workloads.w.addresses.0: 10 is not an IPv4 or IPv6 address of a host, such as '10.0.0.1' or 'fd00::1' | write it in quotes",
    ])
  })

  it('of prefixes have no host bits', () => {
    assert.deepEqual(told({ ports, forward: [{ to: '10.1.2.3/8', on: 'a' }] }), [
      "forward.0.to: '10.1.2.3/8' has bits beyond its length | did you mean '10.0.0.0/8'?",
    ])
  })

  it('of ports are not networks', () => {
    const own = (text: string) => told({ ports: { a: { type: 'memory', own: [text] } } })
    assert.deepEqual(own('10.0.0.0/24'), [
      "ports.a.own.0: '10.0.0.0/24' is a network, not an address in it | for example '10.0.0.1/24'",
    ])
    assert.deepEqual(own('10.0.0.0/31'), [])
    assert.deepEqual(own('10.0.0.1'), [])
    assert.deepEqual(own('127.0.0.1/8'), ["ports.a.own.0: '127.0.0.1/8' is a loopback address"])
  })
})

describe('what belongs together', () => {
  const w = { on: 'a', addresses: ['10.0.0.1'] }
  const endpoints = (...list: unknown[]) => ({
    ports,
    workloads: { w },
    services: { s: { ...service, endpoints: list } },
  })
  const cases: [string, unknown, string[]][] = [
    [
      'ports exist',
      {
        ports,
        forward: [{ to: '10.0.0.0/8', on: 'b' }],
        workloads: { w: { on: 'aa', addresses: [] } },
        listeners: { l: { on: 'z', address: '10.0.0.1', port: 1, protocol: 'tcp' } },
      },
      [
        "forward.0.on: no port 'b' | did you mean 'a'?",
        "workloads.w.on: no port 'aa' | did you mean 'a'?",
        "listeners.l.on: no port 'z' | did you mean 'a'?",
      ],
    ],
    [
      'names out of the prototype do not',
      {
        ports,
        workloads: { w: { on: 'toString', addresses: [] } },
        services: { s: { ...service, endpoints: [{ workload: 'valueOf', port: 1 }] } },
      },
      ["workloads.w.on: no port 'toString'", "services.s.endpoints.0.workload: no workload 'valueOf'"],
    ],
    [
      "no port is called 'host'",
      { ports: { host: { type: 'memory' } } },
      ["ports.host: 'host' is the node's own port"],
    ],
    [
      'workloads exist',
      endpoints({ workload: 'v', port: 1 }),
      ["services.s.endpoints.0.workload: no workload 'v' | did you mean 'w'?"],
    ],
    [
      'interfaces are taken once',
      {
        ports: {
          a: { type: 'iface', interface: 'eth0' },
          b: { type: 'tap', name: 'eth0' },
          c: { type: 'fault', seed: 1, port: { type: 'iface', interface: 'eth0' } },
          d: { type: 'iface', interface: 'eth0', netns: 'x' },
        },
      },
      ["ports.b.name: 'ports.a' has it already", "ports.c.port.interface: 'ports.a' has it already"],
    ],
    ['a pcap port does something', { ports: { a: { type: 'pcap' } } }, ['ports.a: neither reads nor writes']],
    [
      'a gateway of a tap is of its family',
      { ports: { a: { type: 'tap', routes: [{ to: '::/0', via: '10.0.0.1' }] } } },
      ['ports.a.routes.0.via: an IPv4 gateway to an IPv6 prefix'],
    ],
    [
      'a next hop is of its family',
      { ports, forward: [{ to: '10.0.0.0/8', on: 'a', via: 'fd00::1' }] },
      ['forward.0.via: an IPv6 next hop to an IPv4 prefix'],
    ],
    [
      'prefixes are routed once',
      {
        ports,
        forward: [
          { to: 'fd00::/8', on: 'a' },
          { to: 'FD00:0::/8', on: 'a' },
        ],
      },
      ["forward.1.to: 'forward.0' routes fd00::/8 already"],
    ],
    [
      'workloads have their own addresses',
      { ports, workloads: { w, v: { on: 'a', addresses: ['fd00::1', '10.0.0.1', 'fd00:0::1'] } } },
      [
        "workloads.v.addresses.1: workload 'w' has 10.0.0.1 already",
        "workloads.v.addresses.2: workload 'v' has fd00::1 already",
      ],
    ],
    [
      'virtual addresses are taken once',
      {
        ports,
        services: {
          s: service,
          t: { ...service, port: 81 },
          u: { ...service, protocol: 'udp' },
          v: { ...service, address: ['10.96.0.2', '10.96.0.1'] },
        },
      },
      ["services.v.address.1: service 's' has 10.96.0.1 tcp port 80 already"],
    ],
    [
      'virtual addresses are no own ones',
      { ports: { a: { type: 'memory', own: ['10.96.0.1/12'] } }, services: { s: service } },
      ["services.s.address: 10.96.0.1 is an own address of port 'a' | another address, or leave it out of ports.a.own"],
    ],
    [
      'endpoints stand once',
      endpoints(
        { workload: 'w', port: 1 },
        { address: '10.0.0.2', port: 1 },
        { address: '10.0.0.1', port: 1 },
        { workload: 'w', port: 2 },
      ),
      ["services.s.endpoints.2: 'endpoints.0' has its address and port already"],
    ],
    [
      'endpoints are of the family of the service',
      endpoints({ address: 'fd00::1', port: 1 }, { workload: 'w', port: 1 }),
      ["services.s.endpoints.0.address: fd00::1 is never reached: it has no address of the service's kind"],
    ],
    [
      'every family has endpoints',
      { ports, services: { s: { ...service, address: ['10.96.0.1', 'fd00::1'] } } },
      ["services.s.endpoints: nobody answers at the service's IPv6 address"],
    ],
    [
      'probes are TCP',
      { ports, services: { s: { ...service, protocol: 'udp', healthCheck: {} } } },
      ['services.s.healthCheck: probes are TCP, and the service is UDP | leave healthCheck out'],
    ],
    [
      'probes end before the next',
      { ports, services: { s: { ...service, healthCheck: { timeout: '6s' } } } },
      ['services.s.healthCheck.timeout: 6000 ms is longer than the interval of 5000 ms'],
    ],
    [
      'routes are complete',
      {
        ports,
        services: { s: service },
        routes: [
          { name: 'r', listeners: ['x'], rules: [{ backendRefs: [{ service: 'shpo' }, { handler: 'h' }] }] },
          { name: 'r', rules: [] },
        ],
      },
      [
        "routes.1.name: 'routes.0' has the name 'r' already",
        "routes.0.listeners.0: no listener 'x'",
        "routes.0.rules.0.backendRefs.0.service: no service 'shpo'",
      ],
    ],
    [
      'listeners share no address and port',
      {
        ports: { a: { type: 'memory' }, b: { type: 'memory' } },
        services: { s: service },
        listeners: {
          s: { address: '10.96.0.1', port: 80, protocol: 'tcp' },
          x: { address: 'FD00::1', port: 1, protocol: 'tcp', on: 'a' },
          y: { address: ['10.0.0.9', 'fd00::1'], port: 1, protocol: 'tcp' },
          z: { address: '10.0.0.8', port: 1, protocol: 'tcp', on: 'a' },
          zz: { address: '10.0.0.8', port: 1, protocol: 'tcp', on: 'b' },
        },
      },
      [
        "listeners.s.address: service 's' has 10.96.0.1, port 80 already",
        "listeners.y.address.1: listener 'x' has fd00::1, port 1 already",
      ],
    ],
    [
      'who ends TLS has certificates, and nobody else',
      {
        ports,
        listeners: {
          bare: { address: '10.0.0.1', port: 1, protocol: 'https' },
          whole: { address: '10.0.0.1', port: 2, protocol: 'tls' },
          plain: { address: '10.0.0.1', port: 3, protocol: 'http', tls: { certificates: [certificate] } },
          tcp: { address: '10.0.0.1', port: 4, protocol: 'tcp', tls: { certificates: [certificate] } },
          a: {
            address: '10.0.0.1',
            port: 5,
            protocol: 'https',
            hostname: 'a.example',
            tls: { certificates: [certificate] },
          },
          b: {
            address: '10.0.0.1',
            port: 5,
            protocol: 'https',
            hostname: 'b.example',
            tls: { certificates: [certificate], minVersion: '1.3' },
          },
        },
      },
      [
        'listeners.bare: it speaks https, but has no certificates',
        'listeners.whole: it speaks tls, but has no certificates',
        'listeners.plain.tls: a listener of protocol http speaks no TLS | leave it out, or use protocol https',
        'listeners.tcp.tls: a listener of protocol tcp speaks no TLS | leave it out, or use protocol tls',
        "listeners.b.tls: it differs from that of listener 'a', with which it shares address and port",
      ],
    ],
    [
      'tcp routes carry connections',
      {
        ports,
        services: { s: service, u: { ...service, address: '10.96.0.2', protocol: 'udp' } },
        listeners: {
          a: { address: '10.0.0.1', port: 1, protocol: 'tcp' },
          b: { address: '10.0.0.1', port: 2, protocol: 'tcp' },
          h: { address: '10.0.0.1', port: 3, protocol: 'http' },
        },
        routes: [
          {
            name: 'r',
            listeners: ['a', 'h'],
            hostnames: ['x.example'],
            rules: [
              {
                matches: [{ method: 'GET' }],
                filters: [],
                timeouts: { request: '1s', connect: '1s' },
                backendRefs: [{ service: 's' }, { service: 'u' }, { handler: 'h' }],
              },
            ],
          },
          { name: 'q', listeners: ['a', 'b'], rules: [] },
        ],
      },
      [
        "routes.0.listeners.1: 'h' takes requests, others do not",
        'routes.0.hostnames: a tcp route has no host names | leave it out, or use an http listener',
        'routes.0.rules.0.matches: a tcp route has no matches | leave it out, or use an http listener',
        'routes.0.rules.0.filters: a tcp route has no filters | leave it out, or use an http listener',
        'routes.0.rules.0.timeouts.request: a tcp route has no requests | leave it out, or use an http listener',
        "routes.0.rules.0.backendRefs.1.service: service 'u' is UDP",
        'routes.0.rules.0.backendRefs.2.handler: a handler cannot answer a tcp route',
        "routes.1.listeners.0: route 'r' has its connections already",
        'routes.1.rules: 0 rules of a tcp route',
      ],
    ],
  ]
  for (const [name, mesh, expected] of cases) it(name, () => assert.deepEqual(told(mesh), expected))

  it('is looked at beside what is broken, not in it', () => {
    const mesh = {
      ports,
      workloads: { w },
      services: {
        s: { ...service, port: 0, healthCheck: { timeout: '9s' } },
        t: {
          ...service,
          endpoints: [
            { workload: 'x', port: 1 },
            { address: 'y', port: 1 },
          ],
        },
      },
    }
    assert.deepEqual(told(mesh), [
      'services.s.port: 0 is out of range',
      "services.t.endpoints.1.address: 'y' is not an IP address",
      "services.t.endpoints.0.workload: no workload 'x' | did you mean 'w'?",
    ])
  })

  it('finds many twins among many endpoints', () => {
    const list = Array.from({ length: 600 }, (_, index) => ({ address: `10.0.${index % 2}.${index % 200}`, port: 80 }))
    assert.equal(told(endpoints(...list)).length, 400)
  })
})

describe('an access log', () => {
  const at = (accessLog: object) => told({ ports, accessLog })
  it('has a file with an absolute path, and a format of fields that there are', () => {
    assert.deepEqual(at({ file: '/var/log/a.log', format: '%client% %status% 100%%', sample: 0.5 }), [])
    assert.deepEqual(at({ file: '/var/log/a.log', format: 'json' }), [])
    assert.match(at({ file: 'a.log' }).join(), /^accessLog.file: 'a.log' is not the absolute path of a file/)
    assert.deepEqual(at({ file: '/a', format: '%client% %state%' }), [
      "accessLog.format: there is no field 'state' | write '%%' for a percent sign",
    ])
    assert.deepEqual(at({ file: '/a', format: '%client% 100%' }), [
      `accessLog.format: "%" is not ended by '%' | write '%%' for a percent sign`,
    ])
    assert.match(at({ file: '/a', sample: 2 }).join(), /^accessLog.sample: 2 is/)
  })
})
