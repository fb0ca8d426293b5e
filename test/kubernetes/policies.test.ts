// NetworkPolicies as policies. The examples are those of the Kubernetes documentation and of the
// kubernetes-network-policy-recipes, and what their specification says.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MeshError, unsupported as notBuilt } from 'flatproxy'
import { fromKubernetes, type Pod } from 'flatproxy/kubernetes'
import { all, asks, cluster, importSpecs, labels, options } from '../support/network-policies.js'
import { judge } from '../support/policy-judge.js'
import { examples } from './policy-examples.js'
import { portExamples } from './policy-port-examples.js'

const folder = 'test/kubernetes/odd'

describe('flows between Pods with NetworkPolicies', () => {
  for (const { what, policies, allowed = [], denied = [] } of [...examples, ...portExamples])
    it(what, async () => {
      const mesh = await importSpecs(policies)
      const passes = (row: string) => {
        const [from, to, protocol, port] = row.split(' ')
        return judge(mesh, { from: from!, to: to!, protocol: protocol!, port: Number(port) }).allowed
      }
      assert.deepEqual(
        { allowed: allowed.filter((row) => !passes(row)), denied: denied.filter(passes) },
        { allowed: [], denied: [] },
        'rows that are judged otherwise',
      )
    })
})

describe('Pods', () => {
  it('are workloads with their labels and those of their namespace', async () => {
    const { workloads } = await importSpecs({})
    assert.deepEqual(Object.keys(workloads!), [
      'shop/web',
      'shop/api',
      'shop/db',
      'data/web',
      'data/etl',
      'lab/probe',
      'kube-system/dns',
    ])
    assert.deepEqual(workloads!['shop/db'], {
      addresses: ['10.0.1.3', 'fd00:1::3'],
      labels: {
        app: 'db',
        role: 'db',
        'namespace:team': 'shop',
        'namespace:env': 'prod',
        'namespace:kubernetes.io/metadata.name': 'shop',
      },
      on: 'uplink',
    })
    assert.deepEqual(workloads!['kube-system/dns']!.labels, {
      'k8s-app': 'kube-dns',
      'namespace:kubernetes.io/metadata.name': 'kube-system',
    })
  })

  it('are behind the ports that a function says', async () => {
    const seen: Pod[] = []
    const { mesh } = await fromKubernetes(cluster, {
      ports: { uplink: { type: 'memory' }, veth1: { type: 'memory' } },
      workloadPort: (pod) => {
        seen.push(pod)
        return pod.annotations.port ?? 'uplink'
      },
    })
    assert.deepEqual([mesh.workloads!['shop/web']!.on, mesh.workloads!['shop/api']!.on], ['veth1', 'uplink'])
    assert.deepEqual(seen[0], {
      namespace: 'shop',
      name: 'web',
      nodeName: 'n1',
      labels: { app: 'web', tier: 'front' },
      annotations: { port: 'veth1' },
    })
    assert.equal(seen.find(({ name }) => name === 'dns')!.nodeName, undefined)
  })

  it('are no workloads where their port is not known, and policies about them are told', async () => {
    const { mesh } = await fromKubernetes(cluster)
    assert.equal(mesh.workloads, undefined)
    const { unsupported } = await fromKubernetes(`${folder}/policies.yaml`, { strict: false })
    const why = ': Pods are behind no port of the mesh: the option workloadPort says which'
    assert.deepEqual(
      unsupported.map(({ line, why }) => [line, why.slice(why.indexOf(':'))]),
      [1, 12, 17, 22, 46, 66].map((line) => [line, why]),
    )
  })

  it('have the lines of their problems', async () => {
    await assert.rejects(fromKubernetes(cluster, { workloadPort: 'none' }), (error) => {
      assert.ok(error instanceof MeshError)
      assert.deepEqual(error.problems[0]!.path, ['workloads', 'shop/web', 'on'])
      assert.deepEqual([error.problems[0]!.file, error.problems[0]!.line], [cluster, 14])
      return true
    })
  })
})

describe('NetworkPolicies', () => {
  const inShop = (more: object) => ({ labels: { 'namespace:kubernetes.io/metadata.name': 'shop', ...more } })

  it('are a policy for each rule, and one that allows nobody where no rule is about all', async () => {
    const mesh = await importSpecs({
      'shop/web': {
        podSelector: labels({ app: 'web' }),
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          { from: [{ podSelector: asks('app', 'In', 'api') }], ports: [{ port: 80, endPort: 90 }] },
          { from: [{ namespaceSelector: labels({ env: 'prod' }), podSelector: asks('app', 'NotIn', 'web', 'api') }] },
        ],
      },
      'shop/named': { ingress: [{ ports: [{ port: 'http' }] }] },
      'lab/all': { podSelector: all, ingress: [{ from: [{ namespaceSelector: asks('env', 'NotIn', 'prod') }] }] },
    })
    assert.deepEqual(notBuilt(mesh), [])
    const nobody = [{ cidr: '0.0.0.0/0', except: ['0.0.0.0/0'] }]
    const ingress = { direction: 'ingress', action: 'allow' }
    const web = [inShop({ app: 'web' })]
    const namespace = (name: string) => ({ labels: { 'namespace:kubernetes.io/metadata.name': name } })
    const tcp = (port: number) => [{ protocol: 'tcp', port }]
    assert.deepEqual(mesh.policies, [
      {
        ...ingress,
        name: 'shop/web/ingress/0',
        to: web,
        from: [inShop({ app: 'api' })],
        ports: [{ protocol: 'tcp', port: 80, endPort: 90 }],
      },
      {
        ...ingress,
        name: 'shop/web/ingress/1',
        to: web,
        from: [{ workload: 'shop/db' }, { workload: 'data/etl' }],
      },
      { name: 'shop/web/egress', direction: 'egress', action: 'allow', from: web, to: nobody },
      { ...ingress, name: 'shop/named/ingress', to: [inShop({})], from: nobody },
      { ...ingress, name: 'shop/named/ingress/0:1', to: [{ workload: 'shop/web' }], ports: tcp(8080) },
      { ...ingress, name: 'shop/named/ingress/0:2', to: [{ workload: 'shop/api' }], ports: tcp(8081) },
      {
        ...ingress,
        name: 'lab/all/ingress/0',
        to: [namespace('lab')],
        from: [namespace('kube-system'), namespace('lab')],
      },
    ])
  })

  const odd = fromKubernetes(`${folder}/policies.yaml`, { ...options, strict: false })

  it('are told of what they cannot mean', async () => {
    const at = (line: number, path: string, name: string, why: string) =>
      `${line} spec${path}: NetworkPolicy ${name}: ${why}`
    const peers = (line: number, path: string, why: string) => at(line, `.ingress${path}`, 'peers', why)
    const ports = (line: number, path: string, why: string) => at(line, `.egress${path}`, 'ports', why)
    const subject = (line: number, index: number, why: string) =>
      at(line, `.podSelector.matchExpressions[${index}]`, 'subject', why)
    assert.deepEqual(
      (await odd).unsupported.map(({ line, path, why }) => `${line} ${path}: ${why}`),
      [
        subject(7, 0, 'unknown operator Equals'),
        subject(8, 1, 'In without values'),
        subject(9, 2, 'Exists takes no values'),
        subject(10, 3, 'key is missing'),
        at(15, '.policyTypes[1]', 'types', 'Ingress or Egress is expected here'),
        at(20, '.podSelector.matchLables', 'misspelt', 'matchLables is not imported'),
        at(27, '.priority', 'peers', 'priority is not imported'),
        peers(29, '[0].from[0]', 'a podSelector, a namespaceSelector or an ipBlock is expected here'),
        peers(31, '[1].from[0]', 'an ipBlock stands alone'),
        peers(33, '[2].from[0].ipBlock.cidr', '10.0.0.0/33 is no prefix, such as 10.0.0.0/8'),
        peers(34, '[3].from[0].ipBlock.cidr', '10.0.0.1 is no prefix, such as 10.0.0.0/8'),
        peers(35, '[4].from[0].ipBlock.cidr', '::ffff:10.0.0.0/104 is no prefix, such as 10.0.0.0/8'),
        peers(36, '[5].from[0].ipBlock', 'cidr is missing'),
        peers(37, '[6].from[0].ipBlock.except[0]', '11.0.0.0/8 is no part of 10.0.0.0/8'),
        peers(37, '[6].from[0].ipBlock.except[1]', '10.0.0.0/8 is no part of 10.0.0.0/8'),
        peers(37, '[6].from[0].ipBlock.except[2]', 'all is no prefix, such as 10.0.0.0/8'),
        peers(38, '[7].from[0].podSelector.matchLabels.app', 'a text is expected here'),
        peers(39, '[8].from[0].podSelector', 'an object is expected here'),
        peers(40, '[9].from[0]', 'a podSelector, a namespaceSelector or an ipBlock is expected here'),
        peers(41, '[10].from', 'a list is expected here'),
        peers(42, '[11].form', 'form is not imported'),
        peers(44, '[13]', 'nothing stands here'),
        ports(53, '[0].ports[0].protocol', 'TCP, UDP or SCTP is expected here'),
        ports(54, '[1].ports[0].port', 'a number from 1 to 65535 is expected here'),
        ports(55, '[2].ports[0].port', '80 is neither a number nor a name of a port'),
        ports(56, '[3].ports[0].endPort', '80 is below port 90'),
        ports(57, '[4].ports[0].endPort', 'endPort without port'),
        ports(58, '[5].ports[0].endPort', 'a port by name is no range'),
        ports(59, '[6].ports[0].endPort', 'a number from 1 to 65535 is expected here'),
        ports(60, '[7].ports[0].port', 'a number from 1 to 65535 is expected here'),
        ports(61, '[8].ports', 'a list is expected here'),
        ports(62, '[9].ports[0]', 'addresses of an ipBlock have no ports by name'),
        ports(64, '[10].ports[0].prot', 'prot is not imported'),
        '66 : NetworkPolicy empty: spec is missing',
        "74 spec.hostNetwork: Pod agent: NetworkPolicy default/ports selects it, and cannot isolate what is in a node's network",
      ],
    )
  })

  it('isolate nevertheless, and let nothing pass by a rule that was not understood', async () => {
    const { mesh } = await odd
    assert.deepEqual(
      mesh.policies!.map(({ name }) => name),
      ['default/peers/ingress/12', 'default/ports/egress'],
    )
  })
})
