import { familyOf } from '../mesh/resolve.js'
import type { Endpoint, Service } from '../mesh/types.js'
import type { Field } from './field.js'
import type { K8sObject, Objects } from './objects.js'

/** A port of a Service: a service of the mesh. */
export interface ServicePort {
  /** Its name in the mesh. */
  readonly name: string
  readonly service: Service
  readonly source: Field
  /** What endpoints are to be spoken to, if anything is said of it. */
  readonly appProtocol: Field | undefined
}

/** The ports of Services, by `namespace/name`. */
export type Services = ReadonlyMap<string, readonly ServicePort[]>

/** The label by which an EndpointSlice says whose it is. */
const serviceLabel = 'kubernetes.io/service-name'

/** An endpoint of a slice: ports by name and protocol. */
interface SliceEndpoints {
  readonly addresses: readonly string[]
  readonly ports: ReadonlyMap<string, number>
}

export function importServices(objects: Objects): Services {
  const slices = new Map<string, SliceEndpoints[]>()
  for (const object of objects.of('EndpointSlice')) {
    const owner = `${object.namespace}/${object.labels.get(serviceLabel) ?? ''}`
    slices.set(owner, [...(slices.get(owner) ?? []), readSlice(object)])
  }
  const services = new Map<string, ServicePort[]>()
  for (const object of objects.of('Service')) {
    const owner = `${object.namespace}/${object.name}`
    services.set(owner, readService(object, owner, slices.get(owner) ?? []))
  }
  return services
}

function readSlice({ root }: K8sObject): SliceEndpoints {
  const type = root.text('addressType')
  if (type === 'FQDN') root.get('addressType')!.refuse('endpoints by host name are not resolved')
  const ports = new Map<string, number>()
  for (const port of root.list('ports')) {
    port.ignore('appProtocol')
    const [name = '', protocol = 'TCP', number] = [port.text('name'), port.text('protocol'), port.number('port')]
    if (number === undefined) port.refuse('an endpoint that takes all ports')
    else ports.set(`${protocol} ${name}`, number)
  }
  const addresses = root.list('endpoints').flatMap((endpoint) => {
    endpoint.ignore('hostname', 'nodeName', 'zone', 'targetRef', 'hints', 'deprecatedTopology')
    const conditions = endpoint.get('conditions')
    conditions?.ignore('serving', 'terminating')
    // No condition means ready; the addresses of one endpoint are fungible, and the first is enough.
    const ready = conditions?.flag('ready') ?? true
    const [address] = endpoint.texts('addresses')
    return ready && type !== 'FQDN' && address !== undefined ? address : []
  })
  return { addresses, ports }
}

function readService({ root }: K8sObject, owner: string, slices: readonly SliceEndpoints[]): ServicePort[] {
  root.ignore('status')
  const spec = root.must('spec')
  if (!spec) return []
  const type = spec.text('type') ?? 'ClusterIP'
  spec.ignore('selector', 'ipFamilies', 'ipFamilyPolicy', 'publishNotReadyAddresses', 'sessionAffinityConfig')
  if (type === 'ExternalName') {
    spec.refuse('a Service of type ExternalName leads to a host name, which is not resolved')
    return []
  }
  if (type !== 'ClusterIP') {
    spec.ignore('externalTrafficPolicy', 'allocateLoadBalancerNodePorts', 'healthCheckNodePort')
    spec.ignore('loadBalancerClass', 'loadBalancerIP', 'loadBalancerSourceRanges')
    spec.get('type')!.refuse('only its cluster addresses are imported, no ports of nodes and no load balancer')
  }
  if (spec.text('internalTrafficPolicy') === 'Local')
    spec.get('internalTrafficPolicy')!.refuse('endpoints are not chosen by their node')
  const single = spec.text('clusterIP')
  const listed = spec.texts('clusterIPs')
  const addresses = (listed.length > 0 ? listed : single === undefined ? [] : [single]).filter(
    (address) => address !== 'None' && address !== '',
  )
  const sticky = spec.text('sessionAffinity') === 'ClientIP'
  return spec.list('ports').flatMap((port) => readPort(port, owner, addresses, sticky, slices) ?? [])
}

function readPort(
  source: Field,
  owner: string,
  clusterAddresses: readonly string[],
  sticky: boolean,
  slices: readonly SliceEndpoints[],
): ServicePort | undefined {
  source.ignore('targetPort', 'nodePort', 'appProtocol')
  const [name = '', protocol = 'TCP', port] = [source.text('name'), source.text('protocol'), source.number('port')]
  if (port === undefined || (protocol !== 'TCP' && protocol !== 'UDP')) {
    source.refuse(port === undefined ? 'port is missing' : `${protocol} is not carried`)
    return undefined
  }
  const endpoints = endpointsOf(slices, `${protocol} ${name}`)
  // Where nobody answers a family, its address is left to whoever else is there.
  const families = new Set(endpoints.map(({ address }) => familyOf(address)))
  const address = clusterAddresses.filter((text) => families.size === 0 || families.has(familyOf(text)))
  const service: Service = {
    ...(address.length > 0 && { address }),
    port,
    ...(protocol === 'UDP' && { protocol: 'udp' }),
    balance: 'roundRobin',
    ...(sticky && { affinity: 'source' }),
    endpoints: address.length > 0 ? endpoints.filter((one) => hasFamily(address, one.address)) : endpoints,
  }
  return {
    name: `${owner}:${port}${protocol === 'UDP' ? '/udp' : ''}`,
    service,
    source,
    appProtocol: source.get('appProtocol'),
  }
}

const hasFamily = (addresses: readonly string[], address: string) =>
  addresses.some((text) => familyOf(text) === familyOf(address))

/** Each address and port once: slices may overlap. */
function endpointsOf(slices: readonly SliceEndpoints[], port: string): (Endpoint & { address: string })[] {
  const endpoints = new Map<string, Endpoint & { address: string }>()
  for (const { addresses, ports } of slices) {
    const number = ports.get(port)
    if (number === undefined) continue
    for (const address of addresses) endpoints.set(`${address} ${number}`, { address, port: number })
  }
  return [...endpoints.values()]
}
