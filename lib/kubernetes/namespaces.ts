import type { Field } from './field.js'
import type { Objects } from './objects.js'

/** The labels of a namespace; every one has its name, also when no file describes it. */
export function namespaceLabels(objects: Objects, name: string): ReadonlyMap<string, string> {
  const labels = objects.find('Namespace', '', name)?.labels ?? new Map<string, string>()
  return new Map([...labels, ['kubernetes.io/metadata.name', name]])
}

/** Whether labels are what a selector asks for; all of it has to be met, and nothing asked for is met by all. */
export function selects(selector: Field | undefined, labels: ReadonlyMap<string, string>): boolean {
  if (!selector) return false
  const same = [...selector.record('matchLabels')].every(([key, value]) => labels.get(key) === value)
  const met = selector.list('matchExpressions').map((expression) => meets(expression, labels))
  return same && met.every(Boolean)
}

function meets(expression: Field, labels: ReadonlyMap<string, string>): boolean {
  const value = labels.get(expression.need('key') ?? '')
  const values = expression.texts('values')
  const operator = expression.text('operator')
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default:
      expression.refuse(`unknown operator ${operator ?? ''}`)
      return false
  }
}
