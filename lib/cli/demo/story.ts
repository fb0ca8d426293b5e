import { setTimeout as sleep } from 'node:timers/promises'
import type { Flow } from '../../api.js'
import { FlatProxyError } from '../../errors.js'
import type { Mesh } from '../../mesh/types.js'
import type { FlatProxy } from '../../proxy/flat-proxy.js'
import { flowLines } from '../flow-lines.js'
import { statsLines } from '../stats-lines.js'
import { count } from '../table.js'
import { HttpStory } from './http-story.js'
import { requestRate, startDownload, type Download, type Load, type Tally } from './load.js'
import { drawBars, quantile } from './picture.js'
import { live, paint, say, scene, verdict } from './screen.js'
import { openShop, type Shop } from './shop.js'
import { makeContainer } from './stage.js'
import { meshOf, service, shops, type Container, type Joint } from './town.js'

/** Milliseconds after a change of the mesh until requests that were on their way before have ended. */
const settling = 200
const sceneTime = 2_000
const flowsShown = 6

/** What the demo shows, scene by scene, under load that never stops. */
export class Story {
  private readonly shortcomings: string[] = []
  private readonly drained: Container[] = []
  private download: Download | undefined

  constructor(
    private readonly proxy: FlatProxy,
    private readonly joint: Joint,
    private readonly shops: Shop[],
    private readonly load: Load,
    private readonly signal: AbortSignal,
  ) {}

  /** True: all went as it should. */
  async tell(): Promise<boolean> {
    try {
      await this.balance()
      await this.drain()
      await this.add()
      await this.look()
    } finally {
      await this.load.stop()
    }
    await this.requests()
    return this.conclude()
  }

  private async balance(): Promise<void> {
    scene(
      'Balance',
      `curl asks http://${service.address}/ ${requestRate} times a second, each time on a new connection`,
    )
    const { answers } = await this.watch()
    this.expect(
      this.shops.every(({ container }) => answers.has(container.name)),
      'each server has its share',
    )
  }

  private async drain(): Promise<void> {
    const download = startDownload()
    const shop = await this.senderOf(download)
    const { name } = shop.container
    scene('Drain', `${name} is drained while it sends a download of some seconds`)
    this.drained.push(shop.container)
    await this.change()
    const { answers } = await this.watch()
    this.expect(!answers.has(name), `${name} gets no new connection`)
    const { whole, bytes, server } = await download.done
    this.expect(whole && server === name, `the download that ${name} had begun is whole: ${megabytes(bytes)}`)
  }

  private async add(): Promise<void> {
    const container = shops[this.shops.length]!
    scene('Add', `a container ${container.name} starts, and with it come a port, a workload and an endpoint`)
    await makeContainer(container, this.joint)
    this.shops.push(await openShop(container))
    await this.change()
    this.download = startDownload()
    const { answers } = await this.watch()
    this.expect(answers.has(container.name), `${container.name} answers`)
  }

  private async look(): Promise<void> {
    scene('Look', 'the flow table, live')
    const flows: Flow[] = []
    for await (const flow of this.proxy.flows({ service: service.name, signal: this.signal })) flows.push(flow)
    // Those that carry something first, then the newest.
    flows.sort((a, b) => b.packets - a.packets || b.openedAt - a.openedAt)
    say(
      ...indented(flowLines(flows.slice(0, flowsShown), paint, Date.now())),
      paint.dim(`     and ${flows.length - flowsShown} more`),
    )
    this.expect(flows.length > 0, 'the flows of the service are listed')
    scene('Count', 'every packet ends in one verdict with a reason')
    say(...indented(statsLines(await this.proxy.stats(), undefined, paint)))
    const { whole, bytes, server } = await this.download!.done
    this.expect(whole, `the download from ${server} is whole: ${megabytes(bytes)}`)
  }

  private async requests(): Promise<void> {
    const http = new HttpStory(this.proxy, this.shops, this.signal, (ok, text) => this.expect(ok, text))
    const { answers, failures, times } = await http.tell(this.mesh())
    const { total } = this.load
    for (const [name, count] of answers) total.answers.set(name, (total.answers.get(name) ?? 0) + count)
    total.failures.push(...failures)
    total.times.push(...times)
  }

  /** The shop that sends the download. */
  private async senderOf(download: Download): Promise<Shop> {
    for (;;) {
      const shop = this.shops.find(({ downloads }) => downloads() > 0)
      if (shop) return shop
      const ended = await Promise.race([download.done, sleep(10, undefined, { signal: this.signal })])
      if (ended) throw new FlatProxyError('ERR_FLATPROXY_INTERNAL', 'the download did not begin')
    }
  }

  private mesh(): Mesh {
    return meshOf(
      this.joint,
      this.shops.map(({ container }) => container),
      this.drained,
    )
  }

  /** Applies the mesh as it is to be now, and tells what that changed. */
  private async change(): Promise<void> {
    const { changes } = await this.proxy.apply(this.mesh())
    for (const change of changes) say(paint.dim(`     ${change.toString()}`))
    await sleep(settling, undefined, { signal: this.signal })
  }

  /** Shows for some time who answers. */
  private async watch(): Promise<Tally> {
    this.load.take()
    const lines = () =>
      drawBars(
        this.shops.map(({ container }) => container.name),
        this.load.current.answers,
        paint,
      )
    await live(sceneTime, lines, this.signal)
    return this.load.take()
  }

  private expect(ok: boolean, text: string): void {
    verdict(ok, text)
    if (!ok) this.shortcomings.push(`not so: ${text}`)
  }

  private conclude(): boolean {
    const { total } = this.load
    const answered = [...total.answers.values()].reduce((sum, value) => sum + value, 0)
    for (const failure of new Set(total.failures)) this.shortcomings.push(failure)
    const good = total.failures.length === 0 && this.shortcomings.length === 0
    const times = `median ${quantile(total.times, 0.5).toFixed(1)} ms, 99 % within ${quantile(total.times, 0.99).toFixed(1)} ms`
    const text = `${count(answered)} requests, ${total.failures.length} failed; ${times}`
    say('', good ? paint.bold(paint.green(`✓ ${text}`)) : paint.bold(paint.red(`✗ ${text}`)))
    for (const shortcoming of this.shortcomings) say(paint.red(`  ${shortcoming}`))
    return good
  }
}

const indented = (lines: readonly string[]) => lines.map((line) => `     ${line}`.trimEnd())

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
