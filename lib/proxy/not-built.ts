import { FlatProxyError } from '../errors.js'

/** The error of a method that is declared, and not built yet. */
export function notBuilt(method: string): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_UNSUPPORTED', `${method}() is not supported yet`, {
    remedy: 'Use a version that carries it.',
  })
}
