import { isPlainObject } from '../mesh/tree.js'
import { YamlText } from '../mesh/yaml-text.js'
import { MeshError } from '../errors.js'
import type { Path } from '../mesh/problem.js'
import { Field, type Origin } from './field.js'

/** Something that Kubernetes says and the mesh does not. */
export interface Told {
  readonly file: string
  readonly line: number
  /** In its object. */
  readonly path: Path
  /** The object, and why. */
  readonly why: string
}

/** An object of a kind that is imported. */
export interface K8sObject {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  /** Milliseconds since 1970; an object that was not created yet is younger than all others. */
  readonly createdAt: number
  readonly root: Field
}

/** The kinds that are imported, with the groups and versions that they are read in. */
const imported = {
  Gateway: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
  HTTPRoute: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
  ReferenceGrant: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
  Service: ['v1'],
  EndpointSlice: ['discovery.k8s.io/v1'],
  Namespace: ['v1'],
  Pod: ['v1'],
  NetworkPolicy: ['networking.k8s.io/v1'],
} as const
export type Kind = keyof typeof imported

/** Groups of Kubernetes whose objects say nothing of traffic; `''` is the core. */
const silentGroups: readonly string[] = ['', 'apps', 'autoscaling', 'batch', 'policy']
const silentKinds: readonly string[] = ['GatewayClass', 'IngressClass']

/** The objects of files, and what of them is not imported. */
export class Objects {
  private readonly notes: Told[] = []
  private readonly all = new Map<string, K8sObject>()

  /** @throws MeshError when the text is no YAML */
  read(text: string, file: string): void {
    const source = new YamlText(text, file)
    for (const document of source.documents) {
      if (source.problems.length > 0) break
      const value = source.value(document)
      if (value === null || value === undefined) continue
      this.add(value, [], (path) => {
        const { line } = source.located({ path: [...path], message: '', expected: '' }, document)
        return { file, line: line! }
      })
    }
    if (source.problems.length > 0) throw new MeshError(source.problems)
  }

  /** What of the objects is not imported, in their order. */
  get told(): readonly Told[] {
    const files = [...new Set(this.notes.map(({ file }) => file))]
    return [...this.notes].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line)
  }

  of(kind: Kind): K8sObject[] {
    return [...this.all.values()].filter((object) => object.kind === kind)
  }

  find(kind: Kind, namespace: string, name: string): K8sObject | undefined {
    return this.all.get(keyOf(kind, namespace, name))
  }

  /** Tells of the fields that nobody has read. */
  unread(): void {
    for (const { root } of this.all.values()) root.unread()
  }

  private add(value: unknown, path: Path, place: Origin['place']): void {
    const name = isPlainObject(value) ? nameOf(value) : ''
    const root = new Field(value, path, {
      tell: (where, why) => this.notes.push({ ...place(where), path: where.slice(path.length), why: `${name}${why}` }),
      place,
    })
    const version = root.text('apiVersion') ?? ''
    const kind = root.text('kind')
    if (kind === undefined) return root.refuse('no object of Kubernetes: it has no kind')
    if (kind === 'List' && version === 'v1') {
      for (const [index, item] of root.list('items').entries()) this.add(item.value, [...path, 'items', index], place)
      return
    }
    if (Object.hasOwn(imported, kind) && groupOf(version) === groupOf(imported[kind as Kind][0])) {
      const versions: readonly string[] = imported[kind as Kind]
      if (versions.includes(version)) this.keep(kind as Kind, root)
      else root.refuse(`${version} is not imported, but ${versions[0]}`)
    } else if (!isSilent(version, kind)) root.refuse(`objects of kind ${kind} (${version}) are not imported`)
  }

  private keep(kind: Kind, root: Field): void {
    const metadata = root.get('metadata')
    const name = metadata?.text('name')
    if (!metadata || name === undefined) return root.refuse('it has no name')
    const namespace = kind === 'Namespace' ? '' : (metadata.text('namespace') ?? 'default')
    // Few of their fields say anything of traffic.
    if (kind === 'Namespace' || kind === 'Pod') root.ignore('spec', 'status')
    metadata.ignore('annotations', 'uid', 'resourceVersion', 'generation', 'managedFields', 'selfLink')
    metadata.ignore('ownerReferences', 'finalizers', 'generateName', 'deletionTimestamp', 'deletionGracePeriodSeconds')
    const created = Date.parse(metadata.text('creationTimestamp') ?? '')
    const createdAt = Number.isNaN(created) ? Infinity : created
    const key = keyOf(kind, namespace, name)
    if (this.all.has(key)) return root.refuse('it is there twice: the first one counts')
    this.all.set(key, { kind, namespace, name, labels: metadata.record('labels'), createdAt, root })
  }
}

const groupOf = (version: string) => (version.includes('/') ? version.slice(0, version.indexOf('/')) : '')
const keyOf = (kind: string, namespace: string, name: string) => `${kind} ${namespace}/${name}`

function isSilent(version: string, kind: string): boolean {
  const group = groupOf(version)
  if (silentKinds.includes(kind)) return true
  // Of its items nothing is known.
  if (kind.endsWith('List')) return false
  // Endpoints say the same as EndpointSlices, or what no slice says.
  if (silentGroups.includes(group)) return version !== '' && kind !== 'Endpoints'
  return group.endsWith('.k8s.io') && !group.includes('networking')
}

function nameOf({ kind, metadata }: Readonly<Record<string, unknown>>): string {
  if (typeof kind !== 'string') return ''
  const { name, namespace } = isPlainObject(metadata) ? metadata : {}
  const owner = typeof namespace === 'string' ? `${namespace}/` : ''
  return typeof name === 'string' ? `${kind} ${owner}${name}: ` : `${kind}: `
}
