import { listNames, meant, quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { Steps } from '../steps.js'
import type { MeshView } from '../view.js'

/** No name stands twice in a list. */
export function* checkUnique(view: MeshView, problems: Problems, part: 'routes' | 'policies'): Steps<void> {
  const first = new Map<string, number>()
  for (const [index, { name }] of view.items(part)) {
    const other = first.get(name)
    if (other === undefined) first.set(name, index)
    else
      problems.add(
        [part, index, 'name'],
        `${quote(`${part}.${other}`)} has the name ${quote(name)} already`,
        'each name once',
      )
    if (index % 256 === 255) yield
  }
}

/** What a name is to be the name of. */
type Named = 'listeners' | 'services' | 'workloads'

/** There is something of the name. */
export function checkName(view: MeshView, problems: Problems, section: Named, path: Path, name: string): void {
  if (view.has(section, name)) return
  const names = view.names(section)
  problems.add(
    path,
    `no ${section.slice(0, -1)} ${quote(name)}`,
    `one of the ${section}: ${listNames([...names])}`,
    meant(name, names),
  )
}
