import type { Backend, Service } from '../mesh/types.js'
import { readDuration } from './duration.js'
import type { Field } from './field.js'

type Affinity = NonNullable<Service['sessionAffinity']>

/** What the rules that lead to a service say of sessions. */
interface Asked {
  readonly source: Field | undefined
  readonly affinity: Affinity | undefined
}

/**
 * `sessionPersistence` of rules (GEP-1619). A mesh says of a service that its clients stay where they are, so all rules
 * that lead to it have to say the same.
 */
export class Sessions {
  private readonly asked = new Map<string, Asked[]>()

  /** Takes note of what a rule says. */
  add(source: Field | undefined, backends: readonly Backend[]): void {
    let affinity = source && readPersistence(source)
    const names = new Set(backends.map(({ service }) => service!))
    if (affinity && names.size > 1) {
      source!.refuse('of several backends clients stay with none')
      affinity = undefined
    }
    for (const name of names) this.asked.set(name, [...(this.asked.get(name) ?? []), { source, affinity }])
  }

  /** What becomes of it, by service. */
  settle(): ReadonlyMap<string, Affinity> {
    const settled = new Map<string, Affinity>()
    const owners = new Map<string, string>()
    for (const [name, asked] of this.asked) {
      const { affinity } = asked[0]!
      const refuse = (why: string) => asked.forEach(({ source }) => source?.refuse(why))
      const owner = affinity && owners.get(affinity.cookie)
      if (!asked.every((other) => same(other.affinity, affinity)))
        refuse(`another rule that leads to ${name} says something else of sessions`)
      else if (owner !== undefined) refuse(`the cookie ${affinity!.cookie} is that of ${owner} already`)
      else if (affinity) {
        owners.set(affinity.cookie, name)
        settled.set(name, affinity)
      }
    }
    return settled
  }
}

const same = (a: Affinity | undefined, b: Affinity | undefined) => a?.cookie === b?.cookie && a?.ttl === b?.ttl

/** `undefined`: a mesh cannot say it, which is told. */
function readPersistence(source: Field): Affinity | undefined {
  const [type = 'Cookie', cookie] = [source.text('type'), source.need('sessionName')]
  source.get('idleTimeout')?.refuse('a session that is idle does not end')
  const lifetime = source.get('cookieConfig')?.text('lifetimeType') ?? 'Session'
  const ttl = readDuration(source, 'absoluteTimeout')
  if (lifetime === 'Session') source.get('absoluteTimeout')?.refuse('a cookie of lifetimeType Session has no timeout')
  else if (lifetime !== 'Permanent')
    source.get('cookieConfig')!.get('lifetimeType')!.refuse('Session or Permanent is expected here')
  else source.must('absoluteTimeout')
  if (type === 'Cookie' && cookie !== undefined) return { cookie, ...(ttl !== undefined && { ttl }) }
  if (type !== 'Cookie') source.get('type')!.refuse('sessions are kept by cookies alone')
  return undefined
}
