export type { Duration } from './duration.js'
export type {
  DirectResponse,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
  URLRewrite,
} from './schema/filters.js'
export type { AccessLog } from './schema/access-log.js'
export type { Flows } from './schema/flows.js'
export type { HttpSettings } from './schema/listeners.js'
export type { Match } from './schema/routes.js'
export type { HealthCheck, Pool } from './schema/services.js'
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
