import type { Backend } from '../mesh/types.js'
import type { Field } from './field.js'
import { backendFilters } from './filters.js'
import type { Objects } from './objects.js'
import type { Services } from './services.js'

/** Allows references from a namespace to a Service of another one. */
export type Granted = (from: string, to: string, name: string) => boolean

/** What ReferenceGrants allow HTTPRoutes. */
export function importGrants(objects: Objects): Granted {
  const allowed = new Set<string>()
  for (const { root, namespace } of objects.of('ReferenceGrant')) {
    root.ignore('status')
    const spec = root.must('spec')
    const sources = (spec?.list('from') ?? []).flatMap((from) => {
      const [group, kind, source] = [from.text('group'), from.text('kind'), from.text('namespace')]
      return group === 'gateway.networking.k8s.io' && kind === 'HTTPRoute' && source !== undefined ? source : []
    })
    const targets = (spec?.list('to') ?? []).flatMap((to) => {
      const [group, kind, name = '*'] = [to.text('group'), to.text('kind'), to.text('name')]
      return group === '' && kind === 'Service' ? name : []
    })
    for (const source of sources) for (const target of targets) allowed.add(`${source} ${namespace} ${target}`)
  }
  return (from, to, name) => from === to || allowed.has(`${from} ${to} ${name}`) || allowed.has(`${from} ${to} *`)
}

/** The backends of a rule; `undefined`: all of its requests are answered with 500. */
export function readBackends(
  rule: Field,
  namespace: string,
  services: Services,
  granted: Granted,
): Backend[] | undefined {
  const refs = rule.list('backendRefs')
  const found = refs.map((ref) => readBackend(ref, namespace, services, granted))
  const backends = found.flatMap((backend) => (typeof backend === 'string' ? [] : backend))
  if (backends.length === 0) return undefined
  for (const [index, why] of found.entries())
    if (typeof why === 'string' && refs[index]!.number('weight') !== 0)
      refs[index]!.refuse(`${why}: its share of the requests is to get 500, which a mesh cannot say of a share`)
  return backends
}

/** A backend, or why it is invalid. */
function readBackend(ref: Field, namespace: string, services: Services, granted: Granted): Backend | string {
  const group = ref.text('group') ?? ''
  const kind = ref.text('kind') ?? 'Service'
  const owner = ref.text('namespace') ?? namespace
  const [name, port, weight] = [ref.text('name') ?? '', ref.number('port'), ref.number('weight')]
  const filters = backendFilters(ref)
  if (group !== '' || kind !== 'Service') {
    ref.refuse(`a backend of kind ${kind} is not imported`)
    return `a backend of kind ${kind}`
  }
  if (!filters) return 'a filter that is not imported'
  if (!granted(namespace, owner, name)) return `no ReferenceGrant allows Service ${owner}/${name}`
  const ports = services.get(`${owner}/${name}`)
  if (!ports) return `there is no Service ${owner}/${name}`
  const target = ports.find(({ service }) => service.port === port && service.protocol !== 'udp')
  if (!target) return `Service ${owner}/${name} has no TCP port ${port ?? ''}`
  checkProtocol(target.appProtocol)
  return {
    service: target.name,
    ...(weight !== undefined && { weight }),
    ...(filters.length > 0 && { filters }),
  }
}

/** Protocols that HTTP/1.1 is spoken in, or that say nothing of it (Kubernetes' and IANA's names). */
const plain: readonly unknown[] = ['http', 'kubernetes.io/ws', 'tcp']

function checkProtocol(appProtocol: Field | undefined): void {
  if (appProtocol && !plain.includes(appProtocol.value))
    appProtocol.refuse(`endpoints are spoken to in HTTP/1.1, not ${String(appProtocol.value)}`)
}
