// The demo as a whole: it ends well, in words and in its exit code, and leaves nothing behind however it ends.
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'

const main = join(process.cwd(), 'dist/cli/main.js')
const probe = spawnSync('unshare', ['--user', '--map-root-user', '--net', '--mount', '--pid', '--fork', 'true'])
const closed = probe.status !== 0 && 'namespaces cannot be made here'

// The demo's folders are made in TMPDIR, and all its processes carry its path in their arguments or environment.
let folder = ''
before(() => (folder = mkdtempSync(join(tmpdir(), 'flatproxy-demotest-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

// Who fails a test leaves its demo: its end is the end of all that it has made.
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

function start(...args: string[]) {
  const child = spawn(process.execPath, [main, 'demo', ...args], { env: { ...process.env, TMPDIR: folder } })
  started.push(child)
  const demo = { child, said: '', ended: once(child, 'close') as Promise<[number | null]> }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (demo.said += data.toString()))
  return demo
}

async function until(condition: () => boolean, what: string) {
  for (let tries = 0; tries < 600 && !condition(); tries++) await new Promise((done) => setTimeout(done, 50))
  assert.ok(condition(), what)
}

/** Processes of our demos, by their environment. */
function processes(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const mark = `TMPDIR=${folder}\0`
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)
    } catch {
      return false
    }
  })
}

async function nothingIsLeft() {
  await until(() => processes().length === 0, 'processes are left')
}

const running = (demo: { said: string }) => until(() => / 2 {2}Drain/.test(demo.said), demo.said)

describe('flatproxy demo', { skip: closed }, () => {
  for (const kind of ['iface', 'tap'])
    it(`balances, drains and adds with ${kind} ports, without a failed request`, async (t) => {
      if (kind === 'iface' && process.geteuid?.() !== 0) return t.skip('eBPF needs root')
      const demo = start('--port', kind)
      const [code] = await demo.ended
      assert.equal(code, 0, demo.said)
      assert.match(demo.said, /✓ [\d,]+ requests, 0 failed; median/)
      assert.doesNotMatch(demo.said, /✗/)
      assert.match(demo.said, /shop-3 answers/)
      assert.match(demo.said, /\/preview is answered by shop-3 alone/)
      assert.match(demo.said, /[1-9]\d* were tried again elsewhere/)
      assert.match(demo.said, /from head to last byte: p50 \S+ ms/)
      assert.doesNotMatch(demo.said, /\x1b/, 'colours for what is not a terminal') // eslint-disable-line no-control-regex
      assert.deepEqual(readdirSync(folder), [])
      await nothingIsLeft()
    })

  it('stays up with --keep, and the commands that it prints work', async () => {
    const demo = start('--keep', '--port', 'tap')
    await until(() => /stats --watch/.test(demo.said), demo.said)
    const [, curl] = /^ {2}(?:sudo )?(nsenter .* curl http\S+)$/m.exec(demo.said)!
    const answer = spawnSync('sh', ['-c', `${curl} --silent --max-time 5`], { encoding: 'utf8' })
    assert.match(answer.stdout, /^shop-[123]$/, answer.stderr)
    const [, control] = /flows --control (\S+)$/m.exec(demo.said)!
    const flows = spawnSync(process.execPath, [main, 'flows', '--control', control!], { encoding: 'utf8' })
    assert.match(flows.stdout, /10\.96\.0\.10:80/)
    demo.child.kill('SIGINT')
    assert.deepEqual(await demo.ended, [0, null])
    await nothingIsLeft()
  })

  it('leaves nothing when it is interrupted', async () => {
    const demo = start('--port', 'tap')
    await running(demo)
    demo.child.kill('SIGINT')
    assert.deepEqual(await demo.ended, [130, null])
    assert.deepEqual(readdirSync(folder), [])
    await nothingIsLeft()
  })

  it('leaves nothing running when it is killed, and the next one removes its folder', async () => {
    const killed: { child: ChildProcess; said: string } = start('--port', 'tap')
    await running(killed)
    killed.child.kill('SIGKILL')
    await nothingIsLeft()
    const [left] = readdirSync(folder)
    const next = start('--port', 'tap')
    await until(() => !readdirSync(folder).includes(left!), 'the folder stays')
    next.child.kill('SIGINT')
    await next.ended
    assert.deepEqual(readdirSync(folder), [])
    await nothingIsLeft()
  })
})
