import { list, named, object, optional, word, type Static } from '../kit.js'
import { accessLog } from './access-log.js'
import { flows } from './flows.js'
import { listener } from './listeners.js'
import { policy } from './policies.js'
import { port } from './ports.js'
import { route } from './routes.js'
import { forward, service, workload } from './services.js'

/** The schema of a mesh, as TypeBox has it: the source of the static types, of the run-time check and of JSON Schema. */
export const mesh = object(
  {
    ports: named(port, {
      description: "Where packets come from and go to, by name. The name 'host' is the node's own.",
    }),
    forward: optional(list(forward, { description: 'L3 routes: longest prefix first.' })),
    workloads: optional(named(workload, { description: 'What is behind the ports, by name.' })),
    services: optional(named(service, { description: 'Virtual addresses and their endpoints, by name.' })),
    listeners: optional(named(listener, { description: 'Connections that flatproxy terminates, by name.' })),
    routes: optional(list(route, { description: 'Requests by host name, path, method, headers and query.' })),
    policies: optional(list(policy, { description: 'Which flows may pass.' })),
    policyDefault: optional(
      word(['allow', 'deny'], {
        default: 'allow',
        description: 'What becomes of flows that no policy allows or denies.',
      }),
    ),
    onDeny: optional(
      word(['cut', 'keep'], {
        default: 'cut',
        description:
          "What becomes of flows and connections that run when policies come that deny them. 'cut': they end; 'keep': only new ones are denied.",
      }),
    ),
    accessLog: optional(accessLog),
    flows: optional(flows),
  },
  { description: 'A mesh of flatproxy: plain data, the same in TypeScript, JSON and YAML.' },
)

/** A mesh with names of any width, as the schema has it. */
export type WideMesh = Static<typeof mesh>

/** The mesh's JSON Schema (2020-12), for editors of `mesh.yaml`; also in the package as `dist/mesh.schema.json`. */
export const meshSchema: Readonly<Record<string, unknown>> = JSON.parse(
  JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'flatproxy mesh', ...mesh }),
) as Record<string, unknown>
