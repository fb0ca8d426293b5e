export { fromKubernetes, type Imported, type ImportOptions, type Unsupported } from './kubernetes/import.js'
export type { Pod, WorkloadPort } from './kubernetes/pods.js'
