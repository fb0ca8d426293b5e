import type { Explanation, Replayed, ReplayOptions, Tuple } from '../api.js'
import type { Mesh } from '../mesh/types.js'
import { notBuilt } from './not-built.js'

/** What would happen to a packet. Not built yet: rejects with `ERR_FLATPROXY_UNSUPPORTED`. */
export async function explain(_mesh: Mesh, _input: Tuple): Promise<Explanation> {
  throw notBuilt('explain')
}

/** Runs captures through a mesh. Not built yet: rejects with `ERR_FLATPROXY_UNSUPPORTED`. */
export async function replay(_options: ReplayOptions): Promise<Replayed> {
  throw notBuilt('replay')
}
