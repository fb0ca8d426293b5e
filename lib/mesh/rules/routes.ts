import { limits } from '../limits.js'
import type { Problems } from '../problem.js'
import type { Steps } from '../steps.js'
import type { MeshView } from '../view.js'
import { checkName, checkUnique } from './named.js'

/** Routes: no name stands twice; their listeners and services exist. */
export function* checkRoutes(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('routes') && view.sameNames('listeners') && view.sameNames('services')) return
  const count = view.count('routes')
  if (count > limits.routes) problems.add(['routes'], `${count} routes`, `at most ${limits.routes} routes`)
  yield* checkUnique(view, problems, 'routes')
  for (const [index, route] of view.items('routes')) {
    const path = ['routes', index]
    for (const [at, name] of (route.listeners ?? []).entries())
      checkName(view, problems, 'listeners', [...path, 'listeners', at], name)
    for (const [at, rule] of route.rules.entries()) {
      if (!view.sound(rule)) continue
      for (const [which, backend] of (rule.backendRefs ?? []).entries())
        if (view.sound(backend) && 'service' in backend)
          checkName(
            view,
            problems,
            'services',
            [...path, 'rules', at, 'backendRefs', which, 'service'],
            backend.service,
          )
      yield
    }
  }
}
