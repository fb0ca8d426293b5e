import type { Objects } from './objects.js'
import type { Labels } from './selectors.js'

/** The label that holds the name of a namespace. */
export const nameLabel = 'kubernetes.io/metadata.name'

/** The labels of a namespace; every one has its name, also when no file describes it. */
export function namespaceLabels(objects: Objects, name: string): Labels {
  return new Map([...(objects.find('Namespace', '', name)?.labels ?? []), [nameLabel, name]])
}
