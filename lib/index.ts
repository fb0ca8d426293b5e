export type * from './api.js'
export { errorCodes, FlatProxyError, MeshError, UnsupportedError, type ErrorCode, type ErrorDetails } from './errors.js'
export * from './mesh/index.js'
