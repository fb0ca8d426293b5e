// The ESM entry: a view of the CommonJS one, so that both share one instance.
export * from './kubernetes.js'
