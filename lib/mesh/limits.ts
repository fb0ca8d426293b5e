/**
 * The bounds of a mesh. Reaching one is a problem that names it; nothing is cut off silently.
 */
export const limits = {
  /** Ports of a mesh, `host` included. */
  ports: 256,
  /** Services of a mesh. */
  services: 65_535,
  /** Listeners of a mesh. */
  listeners: 4_096,
  /** Routes of a mesh. */
  routes: 65_535,
  /** Policies of a mesh. */
  policies: 65_536,
  /** Distinct selectors of all policies together: workloads, labels, identities, lists of prefixes. */
  selectors: 65_536,
  /** Endpoints of all services together; one with an IPv4 and an IPv6 address counts twice. */
  endpoints: 1_048_575,
  /** Workloads of a mesh. */
  workloads: 1_048_575,
  /** Flows of a lane. */
  flowCapacity: 4_194_304,
  /** Bytes of the body of a direct response. */
  bodyBytes: 8_192,
  /** Bytes of a mesh file. */
  fileBytes: 16 * 1024 * 1024,
  /** Times that a mesh file may use its anchors, weighted by what they hold (`maxAliasCount` of the `yaml` package). */
  fileAliases: 100,
  /** Levels of nesting of a mesh. */
  depth: 32,
  /** Problems that are told at once. */
  problems: 1_000,
} as const
