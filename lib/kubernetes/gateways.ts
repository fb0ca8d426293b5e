import type { Listener } from '../mesh/types.js'
import type { Field } from './field.js'
import { namespaceLabels } from './namespaces.js'
import type { K8sObject, Objects } from './objects.js'
import { readSelector } from './selectors.js'

/** A listener of a Gateway. */
export interface GatewayListener {
  /** Its name in its Gateway. */
  readonly section: string
  readonly port: number
  readonly hostname: string | undefined
  /** Whether routes of a namespace may attach to it. */
  readonly allows: (namespace: string) => boolean
  /** As a listener of the mesh, by its name there; absent: why not was told. */
  readonly planned?: readonly [name: string, listener: Listener]
  readonly source: Field
}

/** The listeners of all Gateways, by `namespace/name` of the Gateway. */
export type Gateways = ReadonlyMap<string, readonly GatewayListener[]>

export function importGateways(objects: Objects): Gateways {
  return new Map(
    objects.of('Gateway').map((object) => {
      const addresses = addressesOf(object)
      const listeners = object.root.get('spec')?.list('listeners') ?? []
      return [
        `${object.namespace}/${object.name}`,
        listeners.flatMap((source) => readListener(objects, object, source, addresses) ?? []),
      ]
    }),
  )
}

/** The addresses that are asked for, or else those that were given. */
function addressesOf({ root }: K8sObject): string[] {
  const spec = root.must('spec')
  spec?.ignore('gatewayClassName')
  const asked = readAddresses(spec)
  const status = root.get('status')
  status?.ignore('conditions', 'listeners', 'attachedListenerSets')
  if (asked.length > 0) status?.ignore('addresses')
  const addresses = asked.length > 0 ? asked : readAddresses(status)
  if (addresses.length === 0)
    (spec ?? root).get('listeners')?.refuse('the Gateway has no IP address, in spec or status')
  const infrastructure = spec?.get('infrastructure')
  infrastructure?.ignore('labels', 'annotations')
  return addresses
}

function readAddresses(holder: Field | undefined): string[] {
  return (holder?.list('addresses') ?? []).flatMap((address) => {
    const type = address.text('type') ?? 'IPAddress'
    const value = address.text('value')
    if (type !== 'IPAddress') address.refuse(`an address of type ${type} is not resolved`)
    return type === 'IPAddress' && value !== undefined ? value : []
  })
}

function readListener(
  objects: Objects,
  { namespace, name }: K8sObject,
  source: Field,
  addresses: readonly string[],
): GatewayListener | undefined {
  const section = source.need('name')
  const [port, protocol] = [source.must('port') && source.number('port'), source.need('protocol')]
  const hostname = source.text('hostname') || undefined
  if (section === undefined || port === undefined || protocol === undefined) return undefined
  const allows = readAllowed(objects, namespace, source.get('allowedRoutes'))
  const listener = { section, port, hostname, allows, source }
  if (protocol !== 'HTTP') {
    source.refuse(`listeners of protocol ${protocol} are not built yet`)
    return listener
  }
  if (addresses.length === 0) return listener
  const planned: Listener = {
    address: addresses.length === 1 ? addresses[0]! : addresses,
    port,
    protocol: 'http',
    ...(hostname !== undefined && { hostname }),
  }
  return { ...listener, planned: [`${namespace}/${name}/${section}`, planned] }
}

function readAllowed(objects: Objects, home: string, allowed: Field | undefined): (namespace: string) => boolean {
  const kinds = allowed?.list('kinds') ?? []
  const taken = kinds.map((kind) => {
    const group = kind.text('group') ?? 'gateway.networking.k8s.io'
    return kind.text('kind') === 'HTTPRoute' && group === 'gateway.networking.k8s.io'
  })
  if (taken.length > 0 && !taken.includes(true)) return () => false
  const namespaces = allowed?.get('namespaces')
  const from = namespaces?.text('from') ?? 'Same'
  const source = namespaces?.get('selector')
  const selector = source && readSelector(source)
  switch (from) {
    case 'All':
      return () => true
    case 'Same':
      return (namespace) => namespace === home
    case 'Selector':
      return (namespace) => selector?.selects(namespaceLabels(objects, namespace)) ?? false
    default:
      if (from !== 'None') namespaces!.refuse(`unknown: from ${from}`)
      return () => false
  }
}
