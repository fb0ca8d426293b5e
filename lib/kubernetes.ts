export { fromKubernetes, type Imported, type ImportOptions, type Unsupported } from './kubernetes/import.js'
