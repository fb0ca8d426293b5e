import { setTimeout as sleep } from 'node:timers/promises'
import type { LatencyStats } from '../../api.js'
import type { Mesh } from '../../mesh/types.js'
import type { FlatProxy } from '../../proxy/flat-proxy.js'
import { addedSince, latencyOf } from '../../proxy/latency.js'
import { milliseconds } from '../table.js'
import { askOnce, Load, requestRate, type Tally } from './load.js'
import { drawBars } from './picture.js'
import { live, paint, say, scene } from './screen.js'
import { openShop, type Shop } from './shop.js'
import { front, withRoutes } from './town.js'

const sceneTime = 2_000
/** How often latencies are read, in milliseconds: what is shown is of the time between. */
const sampling = 250

/** What the demo shows of requests: routes, weights, fields, retries, latencies. */
export class HttpStory {
  private load: Load | undefined

  constructor(
    private readonly proxy: FlatProxy,
    private readonly shops: Shop[],
    private readonly signal: AbortSignal,
    private readonly expect: (ok: boolean, text: string) => void,
  ) {}

  /** @returns what came of the requests @param mesh in force: its shops are all open */
  async tell(mesh: Mesh): Promise<Tally> {
    scene('Route', `requests to http://${front.address}/ go where their path says; /preview is the canary's`)
    for (const change of (await this.proxy.apply(withRoutes(mesh))).changes) say(paint.dim(`     ${change.toString()}`))
    await this.route()
    this.load = new Load(front, 'keep-alive')
    try {
      await this.split()
      await this.rewrite()
      await this.retry()
    } finally {
      await this.load.stop()
    }
    return this.load.total
  }

  private async route(): Promise<void> {
    const answers = await Promise.all([askOnce('/preview/1'), askOnce('/preview?2')])
    this.expect(
      answers.every((answer) => answer.endsWith('shop-3')),
      '/preview is answered by shop-3 alone',
    )
  }

  private async split(): Promise<void> {
    scene('Split', `90 of 100 requests to stable (shop-1, shop-2), 10 to canary (shop-3); ${requestRate} a second`)
    const { answers, times } = await this.watch()
    const share = (answers.get('shop-3') ?? 0) / times.length
    this.expect(Math.abs(share - 0.1) < 0.03, `shop-3 has ${(share * 100).toFixed(1)} % of ${times.length} requests`)
  }

  private async rewrite(): Promise<void> {
    scene('Rewrite', 'x-team is set and x-secret removed on the way there, x-through added on the way back')
    const answer = await askOnce('/', 'x-secret: 1234')
    for (const line of answer.match(/^x-(seen|through|served-by): .*$/gm) ?? []) say(paint.dim(`     ${line}`))
    this.expect(/^x-seen: x-team\r$/m.test(answer), 'the server has seen x-team, and no x-secret')
    this.expect(/^x-through: flatproxy\r$/m.test(answer), 'the client has seen x-through')
  }

  private async retry(): Promise<void> {
    const at = this.shops.findIndex(({ container }) => container.name === 'shop-1')
    scene('Retry', 'the server of shop-1 is killed: what it has not answered goes to another')
    const before = (await this.proxy.stats()).routes['shop']!.retries
    this.shops[at]!.close()
    const { failures } = await this.watch()
    const { retries } = (await this.proxy.stats()).routes['shop']!
    this.expect(failures.length === 0, 'no request failed')
    this.expect(retries > before, `${retries - before} were tried again elsewhere`)
    this.shops[at] = await openShop(this.shops[at]!.container)
  }

  /** Shows for some time who answers, and how fast. */
  private async watch(): Promise<Tally> {
    const { load } = this
    load!.take()
    const watched = new AbortController()
    const latency = this.sample(watched.signal)
    const lines = () => [
      ...drawBars(
        this.shops.map(({ container }) => container.name),
        load!.current.answers,
        paint,
      ),
      `     ${latencyLine(latency.now)}`,
    ]
    try {
      await live(sceneTime, lines, this.signal)
    } finally {
      watched.abort()
    }
    return load!.take()
  }

  /** The latencies of the route, of the last {@link sampling} milliseconds, until the signal. */
  private sample(signal: AbortSignal): { now: LatencyStats | undefined } {
    const sampled: { now: LatencyStats | undefined } = { now: undefined }
    const run = async () => {
      const read = async () => (await this.proxy.stats()).routes['shop']!.latency
      for (let before = await read(); !signal.aborted;) {
        await sleep(sampling, undefined, { signal })
        const after = await read()
        const total = after.mean * after.count - before.mean * before.count
        sampled.now = latencyOf(addedSince(after.buckets, before.buckets), total)
        before = after
      }
    }
    run().catch(() => {}) // it was told to end
    return sampled
  }
}

function latencyLine(latency: LatencyStats | undefined): string {
  if (latency === undefined || latency.count === 0) return paint.dim('latency: nothing yet')
  const { p50, p90, p99, p999 } = latency
  const shown = Object.entries({ p50, p90, p99, 'p99.9': p999 }).map(
    ([name, value]) => `${name} ${milliseconds(value)}`,
  )
  return `${paint.dim('from head to last byte:')} ${shown.join('  ')}`
}
