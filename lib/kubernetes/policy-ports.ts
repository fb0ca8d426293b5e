import type { Policy } from '../mesh/types.js'
import type { Field } from './field.js'
import type { PodWorkload } from './pods.js'

export type PolicyPort = NonNullable<Policy['ports']>[number]

/** A port of a container, by name. */
export interface NamedPort {
  readonly protocol: string
  readonly name: string
  readonly source: Field
}

/** The ports of a rule; none of either kind: all. */
export interface RulePorts {
  readonly numbers: readonly PolicyPort[]
  readonly names: readonly NamedPort[]
}

/** Pods whose ports of some names are the same. */
export interface PortGroup {
  readonly ports: readonly PolicyPort[]
  readonly pods: PodWorkload[]
}

const protocols: readonly string[] = ['TCP', 'UDP', 'SCTP']
/** RFC 6335 section 5.1, in lower case. */
const portName = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/

/** What cannot be read is refused in `rule`. */
export function readPorts(rule: Field): RulePorts {
  const numbers: PolicyPort[] = []
  const names: NamedPort[] = []
  for (const source of rule.list('ports')) {
    const protocol = source.text('protocol') ?? 'TCP'
    if (!protocols.includes(protocol)) source.get('protocol')!.refuse('TCP, UDP or SCTP is expected here')
    const port = source.get('port')
    const end = source.get('endPort')
    if (typeof port?.value === 'string') {
      if (!portName.test(port.value)) port.refuse(`${port.value} is neither a number nor a name of a port`)
      end?.refuse('a port by name is no range')
      names.push({ protocol, name: port.value, source })
      continue
    }
    const first = readNumber(port)
    const last = readNumber(end)
    if (end && !port) end.refuse('endPort without port')
    if (first !== undefined && last !== undefined && last < first) end!.refuse(`${last} is below port ${first}`)
    numbers.push({
      protocol: protocol.toLowerCase(),
      ...(first !== undefined && { port: first }),
      ...(last !== undefined && { endPort: last }),
    })
  }
  return { numbers, names }
}

function readNumber(source: Field | undefined): number | undefined {
  if (!source) return undefined
  const { value } = source
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535) return value
  source.refuse('a number from 1 to 65535 is expected here')
  return undefined
}

/** What names mean to Pods; those that have none of the names are in no group. */
export function groupByPorts(pods: readonly PodWorkload[], names: readonly NamedPort[]): PortGroup[] {
  const groups = new Map<string, PortGroup>()
  for (const pod of pods) {
    const ports = names.flatMap(({ protocol, name }) => {
      const port = pod.ports.get(`${protocol} ${name}`)
      return port === undefined ? [] : { protocol: protocol.toLowerCase(), port }
    })
    if (ports.length === 0) continue
    const key = JSON.stringify(ports)
    const group = groups.get(key)
    if (group) group.pods.push(pod)
    else groups.set(key, { ports, pods: [pod] })
  }
  return [...groups.values()]
}
