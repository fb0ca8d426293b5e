import type { Field } from './field.js'

export type Labels = ReadonlyMap<string, string>

/** A selector of labels: all that it asks for has to be met, and one that asks for nothing is met by all. */
export interface Selector {
  /** The labels that it asks for; `undefined`: it asks for more than equal labels. */
  readonly equal: Labels | undefined
  readonly selects: (labels: Labels) => boolean
}

/** One thing that a selector asks for. */
interface Requirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

/** A selector; without a field it asks for nothing. */
export function readSelector(source: Field | undefined): Selector {
  const labels = [...(source?.record('matchLabels') ?? [])].map(([key, value]) => is(key, value))
  const all = [...labels, ...(source?.list('matchExpressions') ?? []).flatMap((one) => readExpression(one) ?? [])]
  return { equal: equalOf(all), selects: (labels) => all.every((one) => meets(one, labels)) }
}

const is = (key: string, value: string): Requirement => ({ key, operator: 'In', values: [value] })

function readExpression(source: Field): Requirement | undefined {
  const [key, operator] = [source.need('key'), source.need('operator')]
  const values = source.texts('values')
  if (key === undefined || operator === undefined) return undefined
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) source.refuse(`${operator} without values`)
      return { key, operator, values }
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) source.refuse(`${operator} takes no values`)
      return { key, operator, values }
    default:
      source.refuse(`unknown operator ${operator}`)
      // Nobody is meant, rather than all.
      return { key, operator: 'In', values: [] }
  }
}

function meets({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels.get(key)
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

function equalOf(all: readonly Requirement[]): Labels | undefined {
  const equal = new Map<string, string>()
  for (const { key, operator, values } of all) {
    const [value = '', ...more] = values
    if (operator !== 'In' || values.length === 0 || more.length > 0) return undefined
    if ((equal.get(key) ?? value) !== value) return undefined
    equal.set(key, value)
  }
  return equal
}
