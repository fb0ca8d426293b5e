// A process that started DPDK ends as any Node process does, leaves the process's own settings alone and prints nothing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'

const addon = `const addon = require(${JSON.stringify(`${process.cwd()}/build/Release/flatproxy.node`)});`
const start = `${addon} addon.startEal();`

interface Ended {
  code: number | null
  signal: string | null
  stdout: string
  stderr: string
}

function node(script: string): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
    const text = { stdout: '', stderr: '' }
    child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()))
    child.on('close', (code, signal) => resolve({ code, signal, ...text }))
  })
}

const worker = (body: string) => `new (require('node:worker_threads').Worker)(${JSON.stringify(body)}, { eval: true })`

describe('a process with DPDK started', () => {
  it('ends by itself, silently', async () => {
    assert.deepEqual(await node(start), { code: 0, signal: null, stdout: '', stderr: '' })
  })

  it('ends by process.exit', async () => {
    assert.equal((await node(`${start} process.exit(3)`)).code, 3)
  })

  it('ends by an uncaught exception', async () => {
    const { code, stderr } = await node(`${start} throw new Error('on purpose')`)
    assert.equal(code, 1)
    assert.match(stderr, /on purpose/)
  })

  it('ends by a signal', async () => {
    assert.equal(
      (await node(`${start} process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000)`)).signal,
      'SIGTERM',
    )
  })

  it('outlives the worker thread that started it', async () => {
    const script = `${addon} ${worker(start)}.on('exit', () => { addon.startEal(); console.log(addon.dpdkVersion()) })`
    const { code, stdout } = await node(script)
    assert.equal(code, 0)
    assert.match(stdout, /^\d+\.\d+/)
  })

  it('outlives a worker that is terminated, and one that calls process.exit', async () => {
    const script = `
      const first = ${worker(`${start} setInterval(() => {}, 1000); require('node:worker_threads').parentPort.postMessage(1)`)}
      first.on('message', () => first.terminate())
      first.on('exit', () => ${worker(`${start} process.exit(0)`)}.on('exit', () => console.log('still here')))`
    assert.deepEqual(await node(script), { code: 0, signal: null, stdout: 'still here\n', stderr: '' })
  })

  it('starts once when two threads ask at the same time', async () => {
    const { code, stderr } = await node(`${worker(start)}; ${worker(start)}; ${start}`)
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  })

  it("leaves the main thread's affinity and signals alone", async () => {
    const settings = `() => require('node:fs').readFileSync('/proc/thread-self/status', 'utf8').match(/^(Cpus_allowed|Sig(Blk|Ign|Cgt)).*$/gm).join()`
    const script = `${addon} const settings = ${settings}; const before = settings(); addon.startEal();
      console.log(before === settings())`
    assert.equal((await node(script)).stdout, 'true\n')
  })

  it('refuses more memory than it was started with, by a typed error', async () => {
    const { stdout } = await node(
      `${addon} addon.startEal({ memoryMb: 64 }); try { addon.startEal({ memoryMb: 128, pci: true }) } catch (e) { console.log(e.code, e.remedy.length > 0) }`,
    )
    assert.equal(stdout, 'ERR_FLATPROXY_EAL_PCI true\n')
  })

  it('that cannot start says why in the error, not on stderr, and once and for all', async () => {
    const attempt =
      'try { addon.startEal({ memoryMb: 200_000_000 }) } catch (e) { console.log(e.code, /EAL/.test(e.message)) };'
    assert.deepEqual(await node(`${addon} ${attempt} ${attempt}`), {
      code: 0,
      signal: null,
      stdout: 'ERR_FLATPROXY_EAL true\nERR_FLATPROXY_EAL true\n',
      stderr: '',
    })
  })
})
