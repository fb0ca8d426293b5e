// The tables of docs/mesh.md, out of the schema.
import { meshSchema } from 'flatproxy'

interface Node {
  type?: string
  description?: string
  default?: unknown
  const?: string
  enum?: (string | number)[]
  minimum?: number
  maximum?: number
  pattern?: string
  anyOf?: Node[]
  items?: Node
  properties?: Record<string, Node>
  patternProperties?: Record<string, Node>
  required?: string[]
}

const code = (text: unknown) => `\`${String(text)}\``

function range({ minimum, maximum }: Node): string {
  return minimum === undefined ? '' : ` ${minimum} to ${maximum}`
}

function kind(node: Node): string {
  if (node.const !== undefined) return code(node.const)
  if (node.enum) return node.enum.map(code).join(', ')
  if (node.anyOf?.[0]?.type === 'number' && node.anyOf[1]?.type === 'string')
    return `duration${range(node.anyOf[0])} ms`
  if (node.anyOf?.[0]?.enum || node.anyOf?.[0]?.type === 'integer') return `${kind(node.anyOf[0])}, or an object`
  if (node.anyOf?.[1]?.type === 'array') return `${kind(node.anyOf[0]!)}, or a list`
  if (node.anyOf) return 'object'
  if (node.type === 'array') return `list of ${kind(node.items!)}`
  if (node.patternProperties) return 'object by name'
  if (node.type === 'integer') return `whole number${range(node)}`
  if (node.type === 'number') return `number${range(node)}`
  if (node.type === 'string') return 'text'
  return node.type ?? 'anything'
}

function value(node: Node, required: boolean): string {
  if (required) return 'required'
  if (node.default === undefined || typeof node.default === 'object') return ''
  return code(node.default)
}

/** A row for each field of an object. */
export function rowsOf(node: Node): string[] {
  return Object.entries(node.properties ?? {}).map(([name, field]) => {
    const cells = [
      code(name),
      kind(field),
      value(field, node.required?.includes(name) ?? false),
      field.description ?? '',
    ]
    return `| ${cells.join(' | ')} |`
  })
}

const root = meshSchema as Node
const named = (key: string) => Object.values(root.properties![key]!.patternProperties!)[0]!

const rule = root.properties!['routes']!.items!.properties!['rules']!.items!
const backends = rule.properties!['backendRefs']!.items!.anyOf!
const policy = root.properties!['policies']!.items!
const peers = policy.properties!['to']!.anyOf![0]!.anyOf!

/** The objects of a mesh by their heading in docs/mesh.md. */
export const meshObjects: Readonly<Record<string, Node>> = {
  'The whole': root,
  ...Object.fromEntries(named('ports').anyOf!.map((port) => [`Port ${code(port.properties!['type']!.const)}`, port])),
  Forward: root.properties!['forward']!.items!,
  Workload: named('workloads'),
  Service: named('services'),
  Endpoint: {
    properties: Object.assign({}, ...endpoints().map(({ properties }) => properties)) as Record<string, Node>,
    required: ['port'],
  },
  'Health check': named('services').properties!['healthCheck']!,
  Listener: named('listeners'),
  'PROXY protocol': named('listeners').properties!['proxyProtocol']!,
  'TLS of a listener': named('listeners').properties!['tls']!,
  'Certificate of a listener': named('listeners').properties!['tls']!.properties!['certificates']!.items!,
  'HTTP of a listener': named('listeners').properties!['http']!,
  'HTTP of a service': named('services').properties!['http']!,
  Ejection: named('services').properties!['http']!.properties!['eject']!,
  'Session affinity': named('services').properties!['sessionAffinity']!,
  Route: root.properties!['routes']!.items!,
  Rule: rule,
  Match: rule.properties!['matches']!.items!,
  'Match of a path': rule.properties!['matches']!.items!.properties!['path']!,
  'Match of a header': rule.properties!['matches']!.items!.properties!['headers']!.items!,
  'Match of a query parameter': rule.properties!['matches']!.items!.properties!['queryParams']!.items!,
  ...Object.fromEntries(
    rule.properties!['filters']!.items!.anyOf!.map((filter) => [
      `Filter ${code(filter.properties!['type']!.const)}`,
      filter,
    ]),
  ),
  Backend: {
    properties: Object.assign({}, ...backends.map(({ properties }) => properties)) as Record<string, Node>,
  },
  Retry: rule.properties!['retry']!,
  'Timeouts of a rule': rule.properties!['timeouts']!,
  Policy: policy,
  Peer: {
    properties: Object.assign({}, ...peers.map(({ properties }) => properties)) as Record<string, Node>,
  },
  'Port of a policy': policy.properties!['ports']!.items!,
  'VLANs of a policy': policy.properties!['vlan']!.anyOf![0]!.anyOf![1]!,
  'Access log': root.properties!['accessLog']!,
  Flows: root.properties!['flows']!,
  Timeouts: root.properties!['flows']!.properties!['timeouts']!,
  'Alarms of RoCEv2': root.properties!['flows']!.properties!['roce']!,
}

function endpoints(): Node[] {
  return named('services').properties!['endpoints']!.items!.anyOf!
}

/** The table of an object. */
export function tableOf(node: Node): string {
  return ['| field | kind | default | |', '|---|---|---|---|', ...rowsOf(node)].join('\n')
}
