// How proxies start and end: several, again, in worker threads, and with every way that a Node process can end.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { defineMesh, FlatProxy, MeshError, UnsupportedError, versions } from '#lib/index.js'
import { Host } from './host.js'

const mesh = defineMesh({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
  services: {
    web: { address: '10.96.0.10', port: 80, endpoints: [{ address: '10.0.1.11', port: 8080 }] },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'flatproxy-life-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const refused = (code: string) => ({ code: `ERR_FLATPROXY_${code}` })

const library = JSON.stringify(join(process.cwd(), 'dist/index.js'))
const starts = `const { FlatProxy } = require(${library}); const mesh = ${JSON.stringify(mesh)};
  const started = FlatProxy.start({ mesh }); `
const asWorker = (body: string) =>
  `new (require('node:worker_threads').Worker)(${JSON.stringify(body)}, { eval: true })`

function run(script: string): Promise<{ code: number | null; signal: string | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('close', (code, signal) => resolve({ code, signal, output }))
  })
}

describe('the library', () => {
  it('does not load the addon before it is needed', async () => {
    const script = `const lib = require(${library}); process.stdout.write(String(lib.versions.flatproxy.length > 0))
      if (process.report.getReport().sharedObjects.some((path) => path.endsWith('.node'))) process.exit(9)`
    assert.deepEqual(await run(script), { code: 0, signal: null, output: 'true' })
  })

  it('is one instance, required or imported', async () => {
    const script = `import(${JSON.stringify(join(process.cwd(), 'dist/index.mjs'))}).then((lib) =>
      console.log(lib.FlatProxy === require(${library}).FlatProxy))`
    assert.deepEqual(await run(script), { code: 0, signal: null, output: 'true\n' })
  })
})

describe('start', () => {
  it('tells every problem of a mesh', async () => {
    await assert.rejects(FlatProxy.start({ mesh: { ports: { a: { type: 'nope' } } } as never }), MeshError)
  })

  it('refuses what is not built yet, with its path', async () => {
    const asks = { ...mesh, policyDefault: 'deny', flows: { track: 'services' } }
    await assert.rejects(FlatProxy.start({ mesh: asks as never }), (error: UnsupportedError) => {
      assert.ok(error instanceof UnsupportedError)
      assert.deepEqual(error.problems[0]!.path, ['flows', 'track'])
      return true
    })
  })

  it('checks its options', async () => {
    for (const options of [
      { lanes: 0 },
      { lanes: 1.5 },
      { lanes: 65 },
      { lanes: [] },
      { lanes: [0, 0] },
      { lanes: [-1] },
      { lanes: ['0'] },
      { poll: 'sometimes' },
      { control: 7 },
      { signal: {} },
      { handlers: { unknown: () => undefined } },
      { nonsense: 1 },
    ])
      await assert.rejects(FlatProxy.start({ mesh, ...options } as never), refused('ARGUMENT'), JSON.stringify(options))
  })

  it('refuses a core that the process may not use', async () => {
    await assert.rejects(FlatProxy.start({ mesh, lanes: [4095] }), refused('LANE'))
  })

  it('runs more lanes than there are cores', async () => {
    const proxy = await FlatProxy.start({ mesh, lanes: 8 })
    assert.deepEqual(new Set((await proxy.stats()).lanes.map(({ core }) => core)), new Set([-1]))
    await proxy.close()
  })

  it('is called off by its signal', async () => {
    await assert.rejects(FlatProxy.start({ mesh, signal: AbortSignal.abort() }), { name: 'AbortError' })
    const soon = new AbortController()
    const started = FlatProxy.start({ mesh, signal: soon.signal })
    soon.abort()
    await assert.rejects(started, { name: 'AbortError' })
  })

  it('names the versions', () => {
    assert.match(versions.flatproxy, /^\d+\.\d+\.\d+/)
    assert.ok(versions.dpdk !== null)
    assert.equal(versions.openssl, null)
  })
})

describe('a proxy', () => {
  it('runs beside another one, and again', async () => {
    for (let round = 0; round < 3; round++) {
      const proxies = await Promise.all([FlatProxy.start({ mesh }), FlatProxy.start({ mesh, poll: 'busy' })])
      for (const proxy of proxies)
        await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.9', '10.0.0.1').join()
      await Promise.all(proxies.map((proxy) => proxy.close()))
    }
  })

  it('closes once, whoever asks, and refuses everything then', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const events = proxy.events({ types: ['flow:open', 'port:down'] })
    await Promise.all([proxy.close(), proxy.close({ drain: '1s' }), proxy[Symbol.asyncDispose]()])
    await proxy.closed
    await assert.rejects(proxy.stats(), refused('CLOSED'))
    await assert.rejects(proxy.apply(mesh), refused('CLOSED'))
    await assert.rejects(proxy.flows().next(), refused('CLOSED'))
    assert.deepEqual(await events.next(), { done: true, value: undefined })
    assert.equal(proxy.ref().unref(), proxy)
  })

  it('closes when its signal is aborted', async () => {
    const stop = new AbortController()
    const proxy = await FlatProxy.start({ mesh, signal: stop.signal })
    stop.abort()
    await proxy.closed
    await assert.rejects(proxy.stats(), refused('CLOSED'))
  })

  it('drains: new flows are refused, and it waits for those that run, at most so long', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    const there = { protocol: 'tcp', from: '10.0.0.10:4001', to: '10.96.0.10:80' } as const
    client.send({ ...there, flags: 'S', sequence: 1 })
    await server.expect({ flags: 'S' })
    let closed = false
    const closing = proxy.close({ drain: '20s' }).then(() => (closed = true))
    await new Promise((done) => setTimeout(done, 50))
    assert.equal(closed, false)
    client.send({ ...there, from: '10.0.0.10:4002', flags: 'S', sequence: 1 })
    assert.match((await client.expect({ protocol: 'tcp' })).flags!, /R/)
    // The server refuses the connection: the last flow is over.
    const start = performance.now()
    server.send({
      protocol: 'tcp',
      from: '10.0.1.11:8080',
      to: '10.0.0.10:4001',
      flags: 'RA',
      sequence: 0,
      acknowledgment: 2,
    })
    await closing
    assert.ok(performance.now() - start < 5_000)
  })

  it('cuts a drain short when it is told to', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    client.send({ protocol: 'tcp', from: '10.0.0.10:4001', to: '10.96.0.10:80', flags: 'S', sequence: 1 })
    await server.expect({ flags: 'S' })
    const start = performance.now()
    const closing = proxy.close({ drain: '60s' })
    await proxy.close()
    await closing
    assert.ok(performance.now() - start < 5_000)
  })

  it('is shown by its control socket', async () => {
    const control = join(folder, 'control')
    const proxy = await FlatProxy.start({ mesh, control })
    const view = await FlatProxy.connect(control)
    assert.equal((await view.stats()).generation, 1)
    await view.close()
    await proxy.close()
    assert.equal(existsSync(control), false)
    await assert.rejects(FlatProxy.start({ mesh, control: join(folder, 'none/control') }), refused('CONTROL'))
  })
})

describe('events', () => {
  it('reject when their signal is aborted, once', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const stop = new AbortController()
    const events = proxy.events({ types: ['flow:open'], signal: stop.signal })
    const next = events.next()
    stop.abort()
    await assert.rejects(next, { name: 'AbortError' })
    assert.equal((await events.next()).done, true)
    assert.throws(() => proxy.events({ types: ['nope' as never] }), refused('ARGUMENT'))
    await proxy.close()
  })

  it('come to every listener, and are counted where nobody takes them', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    const quick = proxy.events({ types: ['flow:open'] })
    const slow = proxy.events({ types: ['flow:open', 'flow:close'] })
    const count = 20_000
    let seen = 0
    const counted = (async () => {
      for await (const { events, lost } of quick) if ((seen += events.length + lost) >= count) return
    })()
    for (let port = 0; port < count; port++) {
      const frame = { protocol: 'tcp', from: `10.0.0.10:${1024 + port}`, to: '10.96.0.10:80', flags: 'S' } as const
      while (client.send(frame) === 0) await new Promise((done) => setImmediate(done))
    }
    await counted
    const batch = (await slow.next()).value as { events: unknown[]; lost: number }
    assert.ok(batch.events.length <= 8192)
    assert.ok(batch.events.length + batch.lost >= count)
    assert.ok((await proxy.stats()).lostEvents <= batch.lost)
    await slow.return!()
    await proxy.close()
  })
})

describe('a process with a proxy', () => {
  const quiet = (code: number) => ({ code, signal: null, output: '' })

  it('lives until the proxy is closed, and ends by itself then', async () => {
    const script = `${starts} started.then((proxy) => setTimeout(() => proxy.close().then(() => console.log('closed')), 100).unref())`
    assert.deepEqual(await run(script), { code: 0, signal: null, output: 'closed\n' })
  })

  it('ends while an unreferenced proxy runs', async () => {
    assert.deepEqual(await run(`${starts} started.then((proxy) => proxy.unref())`), quiet(0))
  })

  it('finishes what was asked of an unreferenced proxy', async () => {
    const script = `${starts} started.then((proxy) => proxy.unref().patch({ forward: [] }).then(() => console.log('patched')))`
    assert.deepEqual(await run(script), { code: 0, signal: null, output: 'patched\n' })
  })

  it('ends by process.exit, running and starting', async () => {
    assert.deepEqual(await run(`${starts} started.then(() => process.exit(3))`), quiet(3))
    assert.deepEqual(await run(`${starts} setTimeout(() => process.exit(3), 1)`), quiet(3))
  })

  it('ends by an uncaught exception, and by a rejection', async () => {
    for (const failure of ["setImmediate(() => { throw new Error('on purpose') })", "throw new Error('on purpose')"]) {
      const { code, output } = await run(`${starts} started.then(() => { ${failure} })`)
      assert.equal(code, 1)
      assert.match(output, /on purpose/)
    }
  })

  it('ends by a signal', async () => {
    const { signal } = await run(`${starts} started.then(() => process.kill(process.pid, 'SIGTERM'))`)
    assert.equal(signal, 'SIGTERM')
  })

  it('outlives workers that end in every way', async () => {
    const parent = "const { parentPort } = require('node:worker_threads');"
    const ways = [
      `${starts} started.then((proxy) => proxy.close())`,
      `${starts} started.then((proxy) => proxy.unref())`,
      `${starts} started.then(() => process.exit(0))`,
      `${starts} started.then(() => { throw new Error('on purpose') })`,
      `${starts} ${parent} started.then(() => parentPort.postMessage(1))`,
      `${starts} ${parent} parentPort.postMessage(1)`,
    ]
    const script = `(async () => { for (const way of ${JSON.stringify(ways)}) await new Promise((done) => {
        const worker = new (require('node:worker_threads').Worker)(way, { eval: true })
        worker.on('message', () => worker.terminate()).on('error', () => {}).on('exit', done)
      })
      ${starts} await (await started).close(); console.log('still here') })()`
    assert.deepEqual(await run(script), { code: 0, signal: null, output: 'still here\n' })
  })

  it('runs proxies in several threads at once', async () => {
    const body = `${starts} started.then(async (proxy) => { await proxy.stats(); await proxy.close(); console.log('closed') })`
    const { code, output } = await run(`${asWorker(body)}; ${asWorker(body)}; ${body}`)
    assert.deepEqual({ code, output }, { code: 0, output: 'closed\nclosed\nclosed\n' })
  })

  it('can be exited while workers run proxies', async () => {
    const body = `${starts} require('node:worker_threads').parentPort.postMessage(1)`
    assert.deepEqual(
      await run(`${asWorker(body)}.on('message', () => setTimeout(() => process.exit(4), 200))`),
      quiet(4),
    )
  })
})
