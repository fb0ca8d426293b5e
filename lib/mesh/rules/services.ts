import { limits } from '../limits.js'
import { listNames, meant, quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import { familyOf, type Resolved, type Resolver, type Target, type WideService } from '../resolve.js'
import { rocePort } from '../../roce.js'
import { healthCheck as healthCheckSchema } from '../schema/services.js'
import { settle } from '../settle.js'
import type { Steps } from '../steps.js'
import { kept, own } from '../tree.js'
import type { MeshView } from '../view.js'

/** New endpoints of a service up to which each is compared with all others; for more of them a set is built. */
const fewEndpoints = 4

/** Services: how many, that their endpoints exist and can answer at their addresses, and that none stands twice. */
export function* checkServices(view: MeshView, problems: Problems, resolver: Resolver): Steps<void> {
  if (view.unchanged('services', 'workloads')) return
  const count = view.names('services').size
  if (count > limits.services) problems.add(['services'], `${count} services`, `at most ${limits.services} services`)
  let endpoints = 0
  for (const [name, service] of view.entries('services')) {
    endpoints += service.endpoints.length
    const before = own(view.before?.services, name)
    if (service !== before || !view.unchanged('workloads'))
      yield* new ServiceCheck(view, problems, ['services', name], service, before).run(resolver)
    yield
  }
  if (endpoints > limits.endpoints)
    problems.add(
      ['services'],
      `${endpoints} endpoints`,
      `at most ${limits.endpoints} endpoints of all services together`,
    )
}

class ServiceCheck {
  constructor(
    private readonly view: MeshView,
    private readonly problems: Problems,
    private readonly path: Path,
    private readonly service: WideService,
    private readonly before: WideService | undefined,
  ) {}

  *run(resolver: Resolver): Steps<void> {
    const { view, service, before } = this
    const usable = (part: unknown) => view.sound(part)
    const workloads = view.section('workloads')
    const old = before && (yield* resolver.resolve(before, view.before!.workloads, undefined, () => true))
    const resolved = yield* resolver.resolve(service, workloads, before, usable)
    const fresh: number[] = []
    let doubtful = false
    for (const [index, target] of resolved.targets.entries()) {
      if (index % 256 === 255) yield
      if (kept(resolved.targets, old?.targets, index)) continue
      fresh.push(index)
      if (!view.sound(target.source) || !this.answers(index, target, resolved)) doubtful = true
    }
    this.health()
    this.requests()
    this.roce()
    yield* this.twins(resolved.targets, fresh)
    if (!doubtful && (fresh.length > 0 || resolved.targets.length !== old?.targets.length)) this.families(resolved)
  }

  /** Whether an endpoint can answer, as far as is known; tells when not. */
  private answers(index: number, { source, workload, addresses }: Target, { families }: Resolved): boolean {
    const path = [...this.path, 'endpoints', index]
    if ('workload' in source && !this.view.has('workloads', source.workload)) {
      const names = this.view.names('workloads')
      const expected = `one of the workloads: ${listNames([...names])}`
      const hint = meant(source.workload, names)
      this.problems.add([...path, 'workload'], `no workload ${quote(source.workload)}`, expected, hint)
      return false
    }
    if ('workload' in source && !this.view.sound(workload)) return false
    if (addresses.length > 0) return true
    const version = `IPv${families.join(' or IPv')}`
    const [key, what] = 'workload' in source ? ['workload', quote(source.workload)] : ['address', source.address]
    const message = `${what} is never reached: it has no address of the service's kind`
    this.problems.add([...path, key], message, `an ${version} address`)
    return false
  }

  private health(): void {
    const { healthCheck, protocol } = this.service
    if (healthCheck === undefined || !this.view.sound(healthCheck)) return
    const path = [...this.path, 'healthCheck']
    if (protocol === 'udp')
      this.problems.add(
        path,
        'probes are TCP, and the service is UDP',
        'no healthCheck for a UDP service',
        'leave healthCheck out',
      )
    const { timeout, interval } = settle(healthCheckSchema, healthCheck) as { timeout: number; interval: number }
    if (timeout > interval)
      this.problems.add(
        [...path, 'timeout'],
        `${timeout} ms is longer than the interval of ${interval} ms`,
        'at most the interval',
      )
  }

  /** RoCEv2's ICRC covers the addresses: what a service translates would be dropped by its receiver. */
  private roce(): void {
    const { protocol, port, endpoints } = this.service
    if (protocol !== 'udp') return
    const refuse = (path: Path) =>
      this.problems.add(
        [...this.path, ...path],
        `RoCEv2 (UDP ${rocePort}) cannot be translated: its ICRC covers the addresses`,
        'another port',
        'let clients talk to the endpoints themselves: flatproxy routes RoCEv2 as it is',
      )
    if (port === rocePort) refuse(['port'])
    for (const [index, endpoint] of endpoints.entries())
      if (this.view.sound(endpoint) && endpoint.port === rocePort) refuse(['endpoints', index, 'port'])
  }

  /** What is about requests. */
  private requests(): void {
    const { balance = 'maglev', hashOn, protocol, sessionAffinity } = this.service
    if (protocol === 'udp')
      for (const key of ['hashOn', 'sessionAffinity', 'http'] as const)
        if (this.service[key] !== undefined)
          this.problems.add([...this.path, key], 'a UDP service has no requests', `no ${key}`, 'leave it out')
    if (/^__(secure|host)-/i.test(sessionAffinity?.cookie ?? ''))
      this.problems.add(
        [...this.path, 'sessionAffinity', 'cookie'],
        'browsers take a cookie of such a name by https alone',
        "a name that does not begin with '__Secure-' or '__Host-'",
      )
    if (hashOn !== undefined && balance !== 'maglev' && balance !== 'ringHash')
      this.problems.add(
        [...this.path, 'hashOn'],
        `${quote(balance)} hashes nothing`,
        "'hashOn' with balance 'maglev' or 'ringHash'",
      )
  }

  /** No two endpoints may come down to the same address and port. */
  private *twins(targets: readonly Target[], fresh: readonly number[]): Steps<void> {
    if (fresh.length === 0) return
    if (fresh.length <= fewEndpoints) {
      for (const index of fresh) {
        const first = targets.findIndex((other, at) => at !== index && same(other, targets[index]!))
        if (first >= 0 && (first < index || !fresh.includes(first))) this.twin(index, first)
        yield
      }
      return
    }
    const seen = new Map<string, number>()
    for (const [index, { source, addresses }] of targets.entries()) {
      for (const address of addresses) {
        const key = `${address} ${source.port}`
        const first = seen.get(key)
        if (first === undefined) seen.set(key, index)
        else if (first !== index) this.twin(index, first)
      }
      if (index % 256 === 255) yield
    }
  }

  private twin(index: number, first: number): void {
    const other = quote(`endpoints.${first}`)
    this.problems.add(
      [...this.path, 'endpoints', index],
      `${other} has its address and port already`,
      'each endpoint once',
    )
  }

  private families({ families, targets }: Resolved): void {
    if (targets.length === 0 || this.service.address === undefined) return
    for (const family of families) {
      if (targets.some(({ addresses }) => addresses.some((address) => familyOf(address) === family))) continue
      const expected = `at least one endpoint with an IPv${family} address`
      this.problems.add([...this.path, 'endpoints'], `nobody answers at the service's IPv${family} address`, expected)
    }
  }
}

function same(a: Target, b: Target): boolean {
  return a.source.port === b.source.port && a.addresses.some((address) => b.addresses.includes(address))
}
