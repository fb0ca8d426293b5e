import type { Applied, StartOptions, View } from '../api.js'
import type { Mesh } from '../mesh/types.js'

export interface Proxy extends View {
  readonly mesh: Mesh
  readonly generation: number
  readonly closed: Promise<void>
  apply(mesh: Mesh): Promise<Applied>
  patch(patch: unknown): Promise<Applied>
}

export async function startProxy(options: StartOptions<string, string, string>): Promise<Proxy> {
  const library = (await import('../index.js' as string)) as {
    FlatProxy: { start(options: StartOptions<string, string, string>): Promise<Proxy> }
  }
  return library.FlatProxy.start(options)
}

export async function unblockInterface(name: string): Promise<boolean> {
  const library = (await import('../index.js' as string)) as { unblock(name: string): boolean }
  return library.unblock(name)
}
