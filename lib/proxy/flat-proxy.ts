import { channel } from 'node:diagnostics_channel'
import type {
  Applied,
  ApplyOptions,
  CaptureOptions,
  EventMap,
  Explanation,
  FlatProxyEvent,
  Flow,
  FlowFilter,
  FlowShadow,
  Frame,
  MemoryPort,
  PacketCapture,
  Patch,
  ShadowOptions,
  StartOptions,
  Stats,
  Tuple,
  View,
} from '../api.js'
import { connectControl } from '../control/client.js'
import { openControl, type ControlServer } from '../control/server.js'
import { FlatProxyError } from '../errors.js'
import { adoptMesh } from '../mesh/adopt.js'
import type { Duration } from '../mesh/duration.js'
import { mergeSteps } from '../mesh/patch.js'
import { Planner } from '../mesh/plan.js'
import { runSliced } from '../mesh/steps.js'
import type { Mesh } from '../mesh/types.js'
import { loadAddon } from '../native.js'
import { closed, Engine } from './engine.js'
import { releaseCores, takeCores } from './lanes.js'
import { checkDrain, checkEventTypes, checkFunctions, checkOptions, checkStart } from './options.js'
import { checkRunnable, flowCapacityOf } from './runnable.js'

const applyChannel = channel('flatproxy:apply')

/**
 * A running proxy. It keeps the process alive until it is closed, unless {@link unref}.
 *
 * Several in one process work, in worker threads too. The library installs no signal handler and prints nothing.
 */
export class FlatProxy implements View {
  /** Resolves when the proxy is closed; rejects with `ERR_FLATPROXY_PORT` when a port is lost. The others go on. */
  readonly closed: Promise<void>
  private settleClosed!: { resolve: () => void; reject: (error: Error) => void }
  private engine!: Engine
  private cores: readonly number[] = []
  private control: ControlServer | undefined
  private tail: Promise<unknown> = Promise.resolve()
  private closing: { done: Promise<void>; cut: () => void } | undefined
  private readonly planner = new Planner()
  private readonly abort = () => void this.close()

  private constructor(private readonly signal: AbortSignal | undefined) {
    this.closed = new Promise((resolve, reject) => (this.settleClosed = { resolve, reject }))
    // Who does not await it is not to be ended by a lost port.
    this.closed.catch(() => undefined)
  }

  /**
   * Starts a proxy: checks the mesh, opens its ports, starts the lanes.
   *
   * @throws {@link MeshError} for a mesh with problems, {@link UnsupportedError} for what is not built yet;
   *   {@link FlatProxyError} with `ERR_FLATPROXY_PLATFORM` or `ERR_FLATPROXY_NATIVE` where the native part cannot run, and
   *   the code of what cannot be had (`PORT`, `PRIVILEGE`, `LANE`, `MEMORY`, `CONTROL`); `AbortError`
   */
  static async start<S extends string, H extends string, K extends string>(
    options: StartOptions<S, H, K>,
  ): Promise<FlatProxy> {
    checkOptions(options, ['mesh', 'lanes', 'poll', 'control', 'signal', 'handlers', 'hooks'], 'start')
    checkStart(options)
    options.signal?.throwIfAborted()
    const proxy = new FlatProxy(options.signal)
    await proxy.open(options)
    return proxy
  }

  /**
   * A view of a proxy in another process, by its control socket.
   *
   * @throws `ERR_FLATPROXY_CONTROL` when nobody listens there, or it is not ours to open
   */
  static async connect(control: string, options?: { signal?: AbortSignal }): Promise<View> {
    return connectControl(control, options)
  }

  /** The mesh in force, frozen. */
  get mesh(): Mesh {
    return this.planner.mesh!
  }

  /** Counts the meshes that were in force, from 1. */
  get generation(): number {
    return this.planner.generation
  }

  /**
   * Puts another mesh in force, whole or not at all. Flows that run go on. Calls are done in call order.
   *
   * @throws as {@link start}; `ERR_FLATPROXY_CONFLICT` when `ifGeneration` is not the generation in force
   */
  async apply(mesh: Mesh, options?: ApplyOptions): Promise<Applied> {
    checkOptions(options, ['ifGeneration', 'handlers', 'hooks', 'signal'], 'apply')
    return this.inTurn(() => this.change(options, () => adoptMesh(mesh, this.planner.mesh, options)))
  }

  /**
   * Changes the mesh by a merge patch (RFC 7396): what is given replaces, `null` removes, lists are replaced whole.
   *
   * @throws as {@link apply}
   */
  async patch(patch: Patch<Mesh>, options?: { ifGeneration?: number; signal?: AbortSignal }): Promise<Applied> {
    checkOptions(options, ['ifGeneration', 'signal'], 'patch')
    const next = async () => (await runSliced(mergeSteps(this.mesh, patch), options)) as Mesh
    return this.inTurn(() => this.change(options, next))
  }

  /** The counters, summed over lanes. */
  async stats(options?: { signal?: AbortSignal }): Promise<Stats> {
    options?.signal?.throwIfAborted()
    return this.engine.stats()
  }

  /** The flows in the table, in no order. They are read in pages, as fast as they are taken. */
  flows(filter: FlowFilter = {}): AsyncIterableIterator<Flow> {
    return this.engine.flows(filter)
  }

  /**
   * Events in batches, from now on until `signal` aborts (then it rejects) or the proxy is closed. Who is more than 8,192
   * events behind loses further ones; `lost` counts them.
   */
  events<T extends keyof EventMap>(options: {
    types: readonly T[]
    signal?: AbortSignal
  }): AsyncIterableIterator<{ events: FlatProxyEvent<T>[]; lost: number }> {
    checkOptions(options, ['types', 'signal'], 'events')
    checkEventTypes(options?.types)
    return this.engine.events(options.types, options.signal)
  }

  /**
   * The process's end of a `memory` port.
   *
   * @throws `ERR_FLATPROXY_ARGUMENT` when the mesh has no such memory port
   */
  port(name: string): MemoryPort {
    return this.engine.memoryPort(name)
  }

  /**
   * What would happen to a packet now; nothing changes by it. One that belongs to a flow that runs goes its way.
   *
   * @throws `ERR_FLATPROXY_ARGUMENT` for a packet or frame that cannot be
   */
  async explain(input: Tuple | Frame): Promise<Explanation> {
    return this.engine.explain(input)
  }

  /**
   * Packets from now on, as pcapng, each with its verdict, until `duration` is over, `limit` is reached or the proxy is
   * closed. Without one of them: until `signal` aborts (then it rejects) or the caller takes no more. Who is too slow loses
   * packets, which `lost` and the capture's own statistics count; each lane keeps at most 16 MiB for each capture.
   *
   * It rejects with `ERR_FLATPROXY_ARGUMENT` for options that are wrong, a filter included, in libpcap's words;
   * `ERR_FLATPROXY_NOT_FOUND` for a filter where libpcap is not installed; `ERR_FLATPROXY_RESOURCE` while four captures
   * run already.
   */
  capture(options: CaptureOptions = {}): PacketCapture {
    return this.engine.capture(options)
  }

  /**
   * Flows that would fare otherwise under another mesh, as they are now and as they would be. Nothing changes by it, and
   * lanes do nothing for it. It begins with the first `next()`: with all flows in the tables, then those that open, or are
   * refused, until `duration` is over or the proxy is closed; what has come by then is still told. Without a `duration`:
   * until `signal` aborts (then it rejects) or the caller takes no more. See docs/shadow.md for what is compared.
   *
   * It rejects as {@link apply} would, of a mesh that could not be put in force; `ERR_FLATPROXY_ARGUMENT` for options.
   */
  shadow(mesh: Mesh, options?: ShadowOptions): FlowShadow {
    let adopted: Promise<Mesh> | undefined
    return this.engine.shadow(
      (use) =>
        this.inTurn(async () => {
          const other = await (adopted ??= this.adoptOther(mesh))
          const [plan, ids] = await this.planner.draft(other)
          return [ids, await use(plan)]
        }),
      options,
    )
  }

  /**
   * Goes on in whatever is at the access log's path now, after its file was moved away; without an access log, nothing.
   *
   * @throws `ERR_FLATPROXY_LOG` when it cannot be opened; all goes on in the file before
   */
  async reopenLogs(): Promise<void> {
    return this.engine.reopenLog()
  }

  /** Keeps the process alive; so it is from the start. */
  ref(): this {
    this.engine.ref(true)
    return this
  }

  /** Lets the process end while the proxy runs. */
  unref(): this {
    this.engine.ref(false)
    return this
  }

  /**
   * Closes: stops the lanes, removes the ports. With `drain` (default 0), new flows are refused first, and flows of
   * services that run may go on for at most that long; a second call with less cuts it short.
   */
  async close(options?: { drain?: Duration }): Promise<void> {
    const drain = checkDrain(options)
    if (!this.closing) {
      let cut = () => {}
      const cutShort = new Promise<void>((resolve) => (cut = resolve))
      this.closing = { done: this.shut(drain, cutShort), cut }
    } else if (drain > 0) setTimeout(this.closing.cut, drain).unref()
    else this.closing.cut()
    return this.closing.done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async open<S extends string, H extends string, K extends string>({
    mesh: given,
    lanes,
    poll,
    control,
    ...functions
  }: StartOptions<S, H, K>): Promise<void> {
    const options = { signal: this.signal }
    const mesh = await adoptMesh(given, undefined, options)
    await checkRunnable(mesh, undefined, options)
    checkFunctions(functions)
    loadAddon()
    const cores = takeCores(lanes)
    try {
      const plan = await this.planner.plan(mesh, options)
      const made = { cores, busy: poll === 'busy', flowCapacity: flowCapacityOf(mesh) }
      this.engine = await Engine.open(made, this.planner, plan, this.portLost)
      this.planner.commit()
    } catch (error) {
      releaseCores(cores)
      throw error
    }
    this.cores = cores
    try {
      if (typeof control === 'string') this.control = await openControl(control, this)
      this.signal?.throwIfAborted()
    } catch (error) {
      await this.close()
      throw error
    }
    this.signal?.addEventListener('abort', this.abort, { once: true })
  }

  /** Does what is about the mesh in force after all that was asked for before it. */
  private inTurn<T>(next: () => Promise<T>): Promise<T> {
    const done = this.tail.then(next)
    this.tail = done.catch(() => undefined)
    return done
  }

  /** A mesh that could be put in force now. */
  private async adoptOther(mesh: Mesh): Promise<Mesh> {
    this.assertOpen()
    const adopted = await adoptMesh(mesh, this.planner.mesh)
    await checkRunnable(adopted, this.planner.mesh)
    return adopted
  }

  private async change(options: ApplyOptions = {}, next: () => Promise<Mesh>): Promise<Applied> {
    try {
      const { signal, ifGeneration } = options
      signal?.throwIfAborted()
      this.assertOpen()
      if (ifGeneration !== undefined && ifGeneration !== this.generation)
        throw new FlatProxyError(
          'ERR_FLATPROXY_CONFLICT',
          `generation ${this.generation} is in force, not ${ifGeneration}`,
        )
      const mesh = await next()
      await checkRunnable(mesh, this.planner.mesh, options)
      checkFunctions(options)
      const applied = await this.putInForce(mesh, options)
      applyChannel.publish({ proxy: this, applied })
      return applied
    } catch (error) {
      applyChannel.publish({ proxy: this, error })
      throw error
    }
  }

  private async putInForce(mesh: Mesh, options: { signal?: AbortSignal }): Promise<Applied> {
    const plan = await this.planner.plan(mesh, options)
    try {
      options.signal?.throwIfAborted()
      this.assertOpen()
      const longestPauseMicroseconds = await this.engine.apply(plan)
      this.planner.commit()
      this.engine.dropPorts()
      return { generation: plan.generation, changes: plan.changes, longestPauseMicroseconds }
    } catch (error) {
      this.planner.abandon()
      throw error
    }
  }

  private async shut(drain: number, cut: Promise<void>): Promise<void> {
    this.signal?.removeEventListener('abort', this.abort)
    await this.tail
    if (drain > 0) await this.engine.drain(drain, cut)
    await this.control?.close()
    await this.engine.close()
    releaseCores(this.cores)
    this.settleClosed.resolve()
  }

  private readonly portLost = (port: string, reason: string) => {
    const message = `port ${port} is lost${reason === '' ? '' : `: ${reason}`}`
    this.settleClosed.reject(new FlatProxyError('ERR_FLATPROXY_PORT', message))
  }

  private assertOpen(): void {
    if (this.closing) throw closed('the proxy is closed')
  }
}
