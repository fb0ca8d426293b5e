import { isDeepStrictEqual } from 'node:util'
import type { FlatProxyEvent } from '../api.js'
import type { Port } from '../mesh/index.js'
import type { FlatProxy } from '../proxy/flat-proxy.js'

/** Whether a proxy carries what its mesh says: all ports are up, and new flows are taken. */
export class Readiness {
  private draining = false
  private readonly down = new Map<string, { readonly port: Port; readonly reason: string }>()

  constructor(private readonly proxy: Pick<FlatProxy, 'mesh'>) {}

  /** Takes note of a port that went or came back. */
  tell(event: FlatProxyEvent<'port:up' | 'port:down'>): void {
    this.down.delete(event.port)
    const port = this.proxy.mesh.ports[event.port]
    if (event.type === 'port:down' && port) this.down.set(event.port, { port, reason: event.reason })
  }

  /** From now on new flows are refused. */
  drain(): void {
    this.draining = true
  }

  /** Why it is not ready, a line for each reason; none: it is. */
  reasons(): string[] {
    // One that the mesh has had otherwise since then is another one.
    const down = [...this.down].filter(([name, { port }]) => isDeepStrictEqual(port, this.proxy.mesh.ports[name]))
    const reasons = down.map(([name, { reason }]) => `port ${name} is down${reason && `: ${reason}`}`)
    return this.draining ? ['draining: new flows are refused', ...reasons] : reasons
  }
}
