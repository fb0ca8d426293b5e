import { parseDuration } from './duration.js'
import { describe, type Node } from './describe.js'
import { formats, type Format } from './formats.js'
import { choose, format, ifEmpty, keys } from './kit.js'
import { meant, quote, show } from './names.js'
import type { Problems } from './problem.js'
import type { Steps } from './steps.js'
import { isPlainObject, kept, own, type Tree } from './tree.js'

/** A value and where it stands. */
interface Job {
  readonly schema: Node
  readonly value: unknown
  readonly before: unknown
  readonly place: Place
}

/** A place in the mesh: its key, and the place of what holds it. `owner` is the nearest object around it. */
class Place {
  constructor(
    readonly key: string | number | undefined,
    readonly parent: Place | undefined,
    readonly owner: object | undefined,
  ) {}

  get path(): (string | number)[] {
    if (this.key === undefined) return []
    return [...(this.parent?.path ?? []), this.key]
  }
}

/**
 * Checks a value against the schema, in the order of the value. Parts that are, by identity, in `before` (a value that
 * has passed) are passed over.
 *
 * @returns the objects of which something is wrong that they hold directly: other checks leave them alone
 */
export function* walkSteps(schema: object, value: unknown, before: unknown, problems: Problems): Steps<Set<object>> {
  const walker = new Walker(problems)
  walker.jobs.push({ schema, value, before, place: new Place(undefined, undefined, undefined) })
  for (let count = 0, job; !problems.full && (job = walker.jobs.pop()); count++) {
    walker.visit(job)
    if (count % 64 === 63) yield
  }
  return walker.unsound
}

const expressions = new Map<string, RegExp>()

/** The expression of a schema's pattern, compiled once. */
function expression(pattern: string): RegExp {
  let compiled = expressions.get(pattern)
  if (!compiled) expressions.set(pattern, (compiled = new RegExp(pattern, 'u')))
  return compiled
}

class Walker {
  /** What is still to be visited, the next one last. */
  readonly jobs: Job[] = []
  readonly unsound = new Set<object>()

  constructor(private readonly problems: Problems) {}

  visit(job: Job): void {
    const { schema, value, before } = job
    if (value === before && typeof value === 'object' && value !== null) return
    const choice = schema[choose]
    if (choice === 'list') this.visit({ ...job, schema: schema.anyOf![Array.isArray(value) ? 1 : 0]! })
    else if (choice === 'object') this.visit({ ...job, schema: schema.anyOf![isPlainObject(value) ? 1 : 0]! })
    else if (choice) this.variant(job, 'tag' in choice ? [choice.tag] : choice.keys, 'tag' in choice)
    else if (schema[format] === 'duration') this.duration(job)
    else if (schema.type === 'object') this.object(job)
    else if (schema.type === 'array') this.list(job)
    else if (schema.type === 'string') this.text(job)
    else if (schema.type === 'boolean') this.boolean(job)
    else this.number(job)
  }

  private problem({ place, schema }: Job, message: string, hint?: string, expected = describe(schema)): void {
    if (place.owner) this.unsound.add(place.owner)
    this.problems.add(place.path, message, expected, hint)
  }

  private child({ place, value }: Job, key: string | number): Place {
    return new Place(key, place, isPlainObject(value) ? value : place.owner)
  }

  private wrongType(job: Job, hint?: string): void {
    this.problem(job, `${show(job.value)} is not ${describe(job.schema)}`, hint)
  }

  private object(job: Job): void {
    const { schema, value } = job
    if (!isPlainObject(value)) return this.wrongType(job)
    const before = isPlainObject(job.before) ? job.before : undefined
    const pattern = schema.patternProperties && Object.keys(schema.patternProperties)[0]!
    const jobs: Job[] = []
    for (const key of Object.keys(value)) {
      const item = value[key]
      if (item === undefined || (before && typeof item === 'object' && own(before, key) === item)) continue
      const property = pattern === undefined ? own(schema.properties, key) : schema.patternProperties![pattern]!
      if (!property) this.unknownKey(job, key)
      else if (pattern && !expression(pattern).test(key)) this.badName(job, key)
      else jobs.push({ schema: property, value: item, before: own(before, key), place: this.child(job, key) })
    }
    for (const key of schema.required ?? []) if (own(value, key) === undefined) this.missing(job, key)
    for (let index = jobs.length; index-- > 0;) this.jobs.push(jobs[index]!)
  }

  private unknownKey(job: Job, key: string): void {
    const known = Object.keys(job.schema.properties!)
    const free = known.filter((name) => own(job.value as Tree, name) === undefined)
    this.problems.add(
      this.child(job, key).path,
      `unknown key ${quote(key)}`,
      `one of ${known.join(', ')}`,
      meant(key, free),
    )
  }

  private badName(job: Job, key: string): void {
    const { expected } = formats[job.schema[keys] ?? 'name']
    this.problem({ ...job, place: this.child(job, key) }, `${quote(key)} is not a name`, undefined, expected)
  }

  private missing(job: Job, key: string): void {
    const schema = job.schema.properties![key]!
    this.problem({ ...job, place: this.child(job, key) }, 'missing', schema.description, describe(schema))
  }

  private list(job: Job): void {
    const { schema, value } = job
    if (!Array.isArray(value)) {
      const single = schema.items!.type === typeof value
      return this.wrongType(job, single ? `write it as a list: [${show(value)}]` : undefined)
    }
    const before = Array.isArray(job.before) ? job.before : undefined
    if (value.length < (schema.minItems ?? 0)) this.problem(job, 'the list is empty', schema[ifEmpty])
    if (value.length > (schema.maxItems ?? Infinity)) return this.problem(job, `a list of ${value.length}`)
    for (let index = value.length; index-- > 0;) {
      if (typeof value[index] === 'object' && kept(value, before, index)) continue
      this.jobs.push({ schema: schema.items!, value: value[index], before: undefined, place: this.child(job, index) })
    }
  }

  /** An object of several kinds, which the value of one key tells (`tagged`), or which key of several there is. */
  private variant(job: Job, keys: readonly string[], tagged: boolean): void {
    const { schema, value } = job
    if (!isPlainObject(value)) return this.wrongType(job)
    const members = schema.anyOf!
    if (tagged) {
      const [tag] = keys as [string]
      const member = members.find(({ properties }) => properties![tag]!.const === value[tag])
      if (member) return this.object({ ...job, schema: member })
      const known = members.map(({ properties }) => String(properties![tag]!.const))
      const place = this.child(job, tag)
      const message = own(value, tag) === undefined ? 'missing' : `unknown ${tag} ${show(value[tag])}`
      return this.problem(
        { ...job, place },
        message,
        meant(String(value[tag]), known),
        `one of ${known.map(quote).join(', ')}`,
      )
    }
    const present = keys.filter((key) => own(value, key) !== undefined)
    const member = members.find(({ properties }) => Object.hasOwn(properties!, present[0] ?? ''))
    if (present.length === 1) return this.object({ ...job, schema: member! })
    const message = present.length
      ? `has ${present.map(quote).join(' and ')}`
      : `has none of ${keys.map(quote).join(', ')}`
    const stray = Object.keys(value).map((key) => meant(key, keys))
    this.unsound.add(value)
    this.problem(
      job,
      message,
      present.length ? undefined : stray.find(Boolean),
      `exactly one of ${keys.map(quote).join(', ')}`,
    )
  }

  private text(job: Job): void {
    const { schema, value } = job
    if (schema.const !== undefined) return value === schema.const ? undefined : this.wrongType(job)
    if (typeof value !== 'string')
      return this.wrongType(job, typeof value === 'number' ? 'write it in quotes' : undefined)
    if (schema.enum) {
      if (!schema.enum.includes(value))
        this.problem(job, `unknown value ${quote(value)}`, meant(value, schema.enum.map(String)))
      return
    }
    const name = schema[format]
    const fault = name && name !== 'duration' ? (formats[name] as Format).check?.(value) : undefined
    if (fault) return this.problem(job, fault.message, fault.hint)
    const { pattern, minLength = 0, maxLength = Infinity } = schema
    if (value.length < minLength || value.length > maxLength || (pattern && !expression(pattern).test(value)))
      this.problem(job, `${quote(value)} is not ${describe(schema)}`)
  }

  private number(job: Job): void {
    const { schema, value } = job
    if (typeof value !== 'number') {
      const digits = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))
      return this.wrongType(job, digits ? `write it without quotes: ${Number(value)}` : undefined)
    }
    if (schema.enum) return schema.enum.includes(value) ? undefined : this.wrongType(job)
    if (schema.type === 'integer' && !Number.isSafeInteger(value))
      return this.problem(job, `${value} is not a whole number`)
    if (!(value >= schema.minimum! && value <= schema.maximum!)) this.problem(job, `${value} is out of range`)
  }

  private boolean(job: Job): void {
    if (typeof job.value === 'boolean') return
    const word = job.value === 'true' || job.value === 'false'
    this.wrongType(job, word ? `write it without quotes: ${String(job.value)}` : undefined)
  }

  private duration(job: Job): void {
    const milliseconds = parseDuration(job.value)
    const { minimum, maximum } = job.schema.anyOf![0]!
    if (milliseconds === undefined) {
      const bare = typeof job.value === 'string' && /^[0-9.]+$/.test(job.value)
      this.wrongType(job, bare ? `give it a unit: '${String(job.value)}ms', '${String(job.value)}s'` : undefined)
    } else if (milliseconds < minimum! || milliseconds > maximum!)
      this.problem(job, `${show(job.value)} is out of range`)
  }
}
