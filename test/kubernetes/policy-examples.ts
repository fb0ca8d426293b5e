// NetworkPolicies and what they let pass: whom they isolate, and who may speak to whom.
import { all, asks, dns, labels, type Example } from '../support/network-policies.js'

export const examples: Example[] = [
  {
    what: 'no policy isolates nobody',
    policies: {},
    allowed: ['lab/probe shop/db tcp 5432', 'shop/db 198.51.100.7 tcp 443', '198.51.100.7 shop/web udp 9'],
  },
  {
    what: 'default deny of all ingress',
    policies: { 'shop/deny': { podSelector: all, policyTypes: ['Ingress'] } },
    allowed: ['shop/web 198.51.100.7 tcp 443', 'shop/web data/web tcp 8080', 'lab/probe data/web tcp 8080'],
    denied: ['shop/web shop/db tcp 5432', 'data/etl shop/db tcp 5432', '198.51.100.7 shop/web tcp 8080'],
  },
  {
    what: 'default deny of all egress',
    policies: { 'shop/deny': { podSelector: all, policyTypes: ['Egress'] } },
    allowed: ['lab/probe shop/db tcp 5432', '198.51.100.7 shop/web tcp 8080'],
    denied: ['shop/web shop/db tcp 5432', 'shop/web 198.51.100.7 tcp 443', 'shop/web kube-system/dns udp 53'],
  },
  {
    what: 'default deny of both',
    policies: { 'shop/deny': { podSelector: all, policyTypes: ['Ingress', 'Egress'] } },
    allowed: ['lab/probe data/web tcp 8080'],
    denied: ['lab/probe shop/db tcp 5432', 'shop/web lab/probe tcp 1', 'shop/web shop/api tcp 8081'],
  },
  {
    what: 'without types, ingress is meant, and egress where there are rules of it',
    policies: {
      'shop/a': { podSelector: labels({ app: 'web' }) },
      'shop/b': { podSelector: labels({ app: 'db' }), egress: [{}] },
    },
    allowed: ['shop/web 198.51.100.7 tcp 443', 'shop/db 198.51.100.7 tcp 443', 'shop/db shop/api tcp 1'],
    denied: ['shop/api shop/web tcp 8080', 'shop/api shop/db tcp 5432'],
  },
  {
    what: 'rules of a direction that is no type mean nothing',
    policies: { 'shop/a': { podSelector: all, policyTypes: ['Ingress'], ingress: [{}], egress: [{ to: [dns] }] } },
    allowed: ['shop/web 198.51.100.7 tcp 443', 'lab/probe shop/db tcp 5432'],
  },
  {
    what: 'allow all ingress, beside a default deny: rules add up',
    policies: { 'shop/deny': { policyTypes: ['Ingress'] }, 'shop/all': { podSelector: all, ingress: [{}] } },
    allowed: ['lab/probe shop/db tcp 5432', '198.51.100.7 shop/web udp 9', '198.51.100.7 shop/web icmp 0'],
  },
  {
    what: 'an empty list of peers is anyone',
    policies: { 'shop/a': { podSelector: all, ingress: [{ from: [], ports: [{ port: 80 }] }] } },
    allowed: ['198.51.100.7 shop/web tcp 80'],
    denied: ['198.51.100.7 shop/web tcp 81'],
  },
  {
    what: 'nothing from other namespaces',
    policies: { 'shop/own': { podSelector: all, ingress: [{ from: [{ podSelector: all }] }] } },
    allowed: ['shop/web shop/db tcp 5432', 'shop/api shop/db udp 1', 'shop/web data/etl tcp 1'],
    denied: ['data/web shop/db tcp 5432', 'lab/probe shop/web tcp 8080', '198.51.100.7 shop/web tcp 8080'],
  },
  {
    what: 'only from Pods of its own namespace with a label',
    policies: {
      'shop/db': {
        podSelector: labels({ role: 'db' }),
        ingress: [{ from: [{ podSelector: labels({ app: 'web' }) }], ports: [{ port: 5432 }] }],
      },
    },
    allowed: ['shop/web shop/db tcp 5432', 'shop/web fd00:1::3 tcp 5432', 'data/web shop/api tcp 8081'],
    denied: [
      'data/web shop/db tcp 5432',
      'shop/api shop/db tcp 5432',
      'shop/web shop/db tcp 22',
      'shop/web shop/db udp 5432',
    ],
  },
  {
    what: 'from all namespaces, which is no address outside',
    policies: { 'shop/any': { podSelector: all, ingress: [{ from: [{ namespaceSelector: all }] }] } },
    allowed: ['lab/probe shop/db tcp 5432', 'kube-system/dns shop/web tcp 1', 'shop/web shop/db tcp 5432'],
    denied: ['198.51.100.7 shop/web tcp 8080', '192.168.0.1 shop/web tcp 8080'],
  },
  {
    what: 'from namespaces with a label',
    policies: {
      'shop/prod': { podSelector: all, ingress: [{ from: [{ namespaceSelector: labels({ env: 'prod' }) }] }] },
    },
    allowed: ['data/etl shop/db tcp 5432', 'shop/web shop/db tcp 5432'],
    denied: ['lab/probe shop/db tcp 5432', 'kube-system/dns shop/db tcp 5432'],
  },
  {
    what: 'from a namespace AND from Pods there: one element',
    policies: {
      'shop/and': {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: labels({ team: 'data' }), podSelector: labels({ app: 'web' }) }] }],
      },
    },
    allowed: ['data/web shop/db tcp 5432'],
    denied: ['data/etl shop/db tcp 5432', 'shop/web shop/db tcp 5432'],
  },
  {
    what: 'from a namespace OR from Pods of its own: two elements',
    policies: {
      'shop/or': {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: labels({ team: 'data' }) }, { podSelector: labels({ app: 'web' }) }] }],
      },
    },
    allowed: ['data/etl shop/db tcp 5432', 'data/web shop/db tcp 5432', 'shop/web shop/db tcp 5432'],
    denied: ['shop/api shop/db tcp 5432', 'lab/probe shop/db tcp 5432'],
  },
  {
    what: 'namespaces by expressions: In, NotIn, Exists, DoesNotExist',
    policies: {
      'shop/in': {
        podSelector: labels({ app: 'web' }),
        ingress: [{ from: [{ namespaceSelector: asks('kubernetes.io/metadata.name', 'In', 'data', 'lab') }] }],
      },
      'shop/not-in': {
        podSelector: labels({ app: 'api' }),
        ingress: [{ from: [{ namespaceSelector: asks('env', 'NotIn', 'prod') }] }],
      },
      'shop/exists': {
        podSelector: labels({ app: 'db' }),
        ingress: [{ from: [{ namespaceSelector: asks('team', 'Exists') }] }],
      },
      'data/absent': { podSelector: all, ingress: [{ from: [{ namespaceSelector: asks('env', 'DoesNotExist') }] }] },
    },
    allowed: [
      'data/web shop/web tcp 1',
      'lab/probe shop/web tcp 1',
      'lab/probe shop/api tcp 1',
      'kube-system/dns shop/api tcp 1',
      'data/web shop/db tcp 1',
      'kube-system/dns data/web tcp 1',
    ],
    denied: [
      'shop/db shop/web tcp 1',
      'data/web shop/api tcp 1',
      'lab/probe shop/db tcp 1',
      'lab/probe data/web tcp 1',
    ],
  },
  {
    what: 'Pods by expressions: all that is asked for has to be met',
    policies: {
      'shop/not-db': {
        podSelector: { matchExpressions: [asks('app', 'NotIn', 'db').matchExpressions[0]] },
        ingress: [{ from: [{ podSelector: { ...labels({ app: 'web' }), ...asks('tier', 'Exists') } }] }],
      },
      'data/some': {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: all, podSelector: asks('app', 'In', 'web', 'probe') }] }],
      },
    },
    allowed: [
      'shop/web shop/api tcp 1',
      'lab/probe shop/db tcp 1',
      'lab/probe data/web tcp 1',
      'shop/web data/etl tcp 1',
      'data/web data/etl tcp 1',
    ],
    denied: ['shop/db shop/api tcp 1', 'data/web shop/api tcp 1', 'shop/api data/etl tcp 1', '10.9.9.9 data/etl tcp 1'],
  },
  {
    what: 'a selector that nobody meets isolates, and allows nothing',
    policies: {
      'shop/nobody': {
        podSelector: labels({ app: 'web' }),
        ingress: [{ from: [{ podSelector: { ...labels({ app: 'web' }), ...asks('app', 'In', 'api') } }] }],
      },
      'shop/none': { podSelector: asks('app', 'DoesNotExist'), ingress: [] },
      'shop/nowhere': {
        podSelector: labels({ app: 'api' }),
        ingress: [{ from: [{ namespaceSelector: asks('team', 'In', 'x', 'y') }] }],
      },
    },
    allowed: ['shop/web shop/db tcp 1'],
    denied: [
      'shop/api shop/web tcp 1',
      '198.51.100.7 shop/web tcp 1',
      'data/web shop/api tcp 1',
      '8.8.8.8 shop/api tcp 1',
    ],
  },
  {
    what: 'the example of the documentation: ipBlock with except, namespaces, Pods, ports; egress to a block',
    policies: {
      'shop/test-network-policy': {
        podSelector: labels({ role: 'db' }),
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: [
              { ipBlock: { cidr: '172.17.0.0/16', except: ['172.17.1.0/24'] } },
              { namespaceSelector: labels({ team: 'data' }) },
              { podSelector: labels({ tier: 'front' }) },
            ],
            ports: [{ protocol: 'TCP', port: 6379 }],
          },
        ],
        egress: [{ to: [{ ipBlock: { cidr: '10.0.3.0/24' } }], ports: [{ protocol: 'TCP', port: 5978 }] }],
      },
    },
    allowed: [
      '172.17.0.9 shop/db tcp 6379',
      '172.17.2.1 shop/db tcp 6379',
      'data/etl shop/db tcp 6379',
      'shop/web shop/db tcp 6379',
      'shop/db lab/probe tcp 5978',
      'shop/db 10.0.3.77 tcp 5978',
    ],
    denied: [
      '172.17.1.5 shop/db tcp 6379',
      '172.17.0.9 shop/db tcp 6380',
      'shop/api shop/db tcp 6379',
      'shop/db 10.0.4.1 tcp 5978',
      'shop/db lab/probe tcp 5979',
      'shop/db lab/probe udp 5978',
    ],
  },
  {
    what: 'a block of the other family is nobody of this one; bits beyond the length count as zeros',
    policies: {
      'shop/v6': { podSelector: labels({ app: 'db' }), ingress: [{ from: [{ ipBlock: { cidr: 'FD00:2::9/64' } }] }] },
      'shop/v4': { podSelector: labels({ app: 'web' }), ingress: [{ from: [{ ipBlock: { cidr: '10.0.2.7/24' } }] }] },
    },
    allowed: ['fd00:2::1 fd00:1::3 tcp 1', 'data/etl shop/web tcp 1'],
    denied: ['fd00:3::1 fd00:1::3 tcp 1', '10.0.2.1 shop/db tcp 1', 'lab/probe shop/web tcp 1'],
  },
  {
    what: 'both sides have to let it pass',
    policies: {
      'shop/out': {
        podSelector: labels({ app: 'web' }),
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: all }] }],
      },
      'shop/in': { podSelector: labels({ app: 'db' }), ingress: [{ from: [{ podSelector: labels({ app: 'api' }) }] }] },
    },
    allowed: ['shop/web shop/api tcp 8081', 'shop/api shop/db tcp 5432'],
    denied: ['shop/web shop/db tcp 5432', 'shop/web data/web tcp 8080'],
  },
]
