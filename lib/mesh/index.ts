export type { Duration } from './duration.js'
export type { HealthCheck } from './schema/services.js'
export type { Flows } from './schema/flows.js'
export type { Match, RequestHeaderModifier } from './schema/routes.js'
export type { Port } from './schema/ports.js'
export type { Path, Problem } from './problem.js'
export type {
  Backend,
  Endpoint,
  Filter,
  Forward,
  List,
  Listener,
  Mesh,
  Peer,
  Policy,
  Route,
  Rule,
  Service,
  Shape,
  Workload,
} from './types.js'
export { checkMesh } from './check.js'
export { diff, type Change } from './diff.js'
export { limits } from './limits.js'
export { mergePatch } from './patch.js'
export { meshSchema } from './schema/mesh.js'
export { defineMesh } from './types.js'
export { unsupported } from './unsupported.js'
export { loadMesh, parseMesh } from './yaml.js'
