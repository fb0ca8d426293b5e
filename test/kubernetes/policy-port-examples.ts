// NetworkPolicies and what they let pass: ports, and ways out.
import { all, dns, dnsPorts, labels, type Example } from '../support/network-policies.js'

export const portExamples: Example[] = [
  {
    what: 'a range of ports',
    policies: {
      'shop/multi-port-egress': {
        podSelector: labels({ role: 'db' }),
        policyTypes: ['Egress'],
        egress: [
          {
            to: [{ ipBlock: { cidr: '10.0.0.0/16' } }],
            ports: [{ protocol: 'TCP', port: 32000, endPort: 32768 }],
          },
        ],
      },
    },
    allowed: ['shop/db shop/web tcp 32000', 'shop/db shop/web tcp 32768'],
    denied: ['shop/db shop/web tcp 31999', 'shop/db shop/web tcp 32769', 'shop/db 10.1.0.1 tcp 32000'],
  },
  {
    what: 'a protocol without a port; TCP where nothing is said',
    policies: {
      'shop/udp': { podSelector: labels({ app: 'web' }), ingress: [{ ports: [{ protocol: 'UDP' }] }] },
      'shop/tcp': { podSelector: labels({ app: 'api' }), ingress: [{ ports: [{}] }] },
      'shop/sctp': { podSelector: labels({ app: 'db' }), ingress: [{ ports: [{ protocol: 'SCTP', port: 7 }] }] },
    },
    allowed: ['lab/probe shop/web udp 9', 'lab/probe shop/api tcp 65535', 'lab/probe shop/db sctp 7'],
    denied: [
      'lab/probe shop/web tcp 9',
      'lab/probe shop/api udp 9',
      'lab/probe shop/db tcp 7',
      'lab/probe shop/api icmp 0',
    ],
  },
  {
    what: 'a port by name that all have',
    policies: {
      'shop/named': { podSelector: labels({ app: 'web' }), ingress: [{ ports: [{ port: 'http' }, { port: 9 }] }] },
    },
    allowed: ['lab/probe shop/web tcp 8080', 'lab/probe shop/web tcp 9'],
    denied: ['lab/probe shop/web tcp 9090', 'lab/probe shop/web udp 8080'],
  },
  {
    what: 'a port by name that differs, and that some have not',
    policies: {
      'shop/named': {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: labels({ team: 'data' }) }], ports: [{ port: 'http' }, { port: 1 }] }],
      },
    },
    allowed: [
      'data/web shop/web tcp 8080',
      'data/web shop/api tcp 8081',
      'data/web shop/db tcp 1',
      'data/web shop/web tcp 1',
    ],
    denied: [
      'data/web shop/web tcp 8081',
      'data/web shop/api tcp 8080',
      'data/web shop/db tcp 8080',
      'lab/probe shop/web tcp 8080',
      'lab/probe shop/db tcp 1',
    ],
  },
  {
    what: 'a port by name that nobody has; of another protocol; of a container that has ended',
    policies: {
      'shop/none': { podSelector: labels({ app: 'db' }), ingress: [{ ports: [{ port: 'http' }] }] },
      'kube-system/udp': { podSelector: labels({ 'k8s-app': 'kube-dns' }), ingress: [{ ports: [{ port: 'dns' }] }] },
      'shop/once': {
        podSelector: labels({ app: 'api' }),
        ingress: [{ ports: [{ port: 'setup' }, { port: 'metrics' }] }],
      },
    },
    allowed: ['shop/web shop/api tcp 9090'],
    denied: [
      'shop/web shop/db tcp 8080',
      'shop/web kube-system/dns tcp 53',
      'shop/web kube-system/dns udp 53',
      'shop/web shop/api tcp 7000',
    ],
  },
  {
    what: 'egress to a port by name is that of whom it goes to',
    policies: {
      'lab/named': {
        podSelector: all,
        egress: [{ to: [{ namespaceSelector: labels({ env: 'prod' }) }], ports: [{ port: 'http' }] }],
        policyTypes: ['Egress'],
      },
      'data/any': {
        podSelector: labels({ app: 'etl' }),
        egress: [{ ports: [{ port: 'pg' }, { port: 'dns', protocol: 'UDP' }] }],
        policyTypes: ['Egress'],
      },
    },
    allowed: [
      'lab/probe shop/web tcp 8080',
      'lab/probe shop/api tcp 8081',
      'lab/probe data/web tcp 8080',
      'data/etl shop/db tcp 5432',
      'data/etl kube-system/dns udp 53',
    ],
    denied: [
      'lab/probe shop/web tcp 8081',
      'lab/probe shop/api tcp 8080',
      'data/etl shop/web tcp 5432',
      'data/etl 198.51.100.7 tcp 5432',
      'data/etl shop/db udp 53',
    ],
  },
  {
    what: 'egress to DNS alone',
    policies: { 'shop/dns': { podSelector: all, policyTypes: ['Egress'], egress: [{ to: [dns], ports: dnsPorts }] } },
    allowed: ['shop/web kube-system/dns udp 53', 'shop/web kube-system/dns tcp 53', 'lab/probe shop/web tcp 8080'],
    denied: ['shop/web kube-system/dns tcp 80', 'shop/web 8.8.8.8 udp 53', 'shop/web shop/db tcp 5432'],
  },
  {
    what: 'egress to the world but the cluster',
    policies: {
      'shop/world': {
        podSelector: labels({ app: 'web' }),
        policyTypes: ['Egress'],
        egress: [
          { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '192.168.0.0/16'] } }] },
          { to: [dns], ports: dnsPorts },
        ],
      },
    },
    allowed: ['shop/web 198.51.100.7 tcp 443', 'shop/web kube-system/dns udp 53', 'shop/api shop/db tcp 5432'],
    denied: ['shop/web shop/db tcp 5432', 'shop/web 192.168.0.1 tcp 443', 'shop/web 10.9.9.9 tcp 443'],
  },
]
