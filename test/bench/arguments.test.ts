// What flatproxy/bench and `flatproxy bench` refuse, and how.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { allCases, bench, peerNames, quickCases, type BenchOptions } from 'flatproxy/bench'
import { chooseWork } from '#lib/bench/choose.js'
import { refusedByFlatProxy } from '#lib/bench/peers/flatproxy.js'
import { peerOf } from '#lib/bench/peers/index.js'

const refused = { name: 'FlatProxyError', code: 'ERR_FLATPROXY_ARGUMENT' }
const caseNamed = (name: string) => allCases.find((each) => each.name === name)!

describe('the choice of a run', () => {
  it('has the cases and peers that the documents name', () => {
    const names = new Set(allCases.map(({ name }) => name))
    for (const name of [
      'small',
      'ping',
      '10MB',
      'connect',
      'idle',
      'routes-1k',
      'handler',
      'tls-small',
      'tls-resume',
      'tcp-10MB',
      'l4-connect',
      'own-10MB',
      'own-tls-small',
    ])
      assert.ok(names.has(name), name)
    assert.deepEqual(quickCases, ['small', '10MB', 'connect'])
    for (const name of [
      'direct',
      'forwarder',
      'forwarder-iface',
      'tcsplice',
      'flatproxy-tap',
      'flatproxy-iface',
      'flatproxy-kernel',
      'nftables',
      'haproxy',
      'nginx',
      'envoy',
      'http-proxy',
      'fastify',
      'node-http',
    ])
      assert.ok(peerNames.includes(name), name)
  })

  it('refuses what there is not, and says what there is', async () => {
    for (const options of [
      { cases: ['smal'] },
      { peers: ['apache'] },
      { peers: ['nginx@x'] },
      { peers: ['nginx', 'nginx'] },
      { rounds: 0 },
      { rounds: 1.5 },
      { seconds: 61 },
    ]) {
      assert.throws(() => chooseWork(options), refused, JSON.stringify(options))
      await assert.rejects(bench(options).next(), refused)
    }
    assert.throws(() => chooseWork({ cases: ['smal'] }), /small.*tls-resume.*flow-10k/s)
  })

  it('measures a floor where flatproxy stands on it, or where one asks for it', () => {
    const carries = (options: BenchOptions, peer: string, work: string) =>
      chooseWork(options)
        .plan.peers.find(({ name }) => name === peer)
        ?.refuses(caseNamed(work)) === undefined
    assert.equal(carries({}, 'forwarder', 'l4-small'), true)
    assert.equal(carries({}, 'tcsplice', 'l4-small'), false)
    assert.equal(carries({}, 'direct', 'tls-small'), true)
    assert.equal(carries({ peers: ['tcsplice'] }, 'tcsplice', 'l4-small'), true)
  })

  it('takes a peer once more by its suffix', () => {
    const { plan } = chooseWork({ cases: ['l4-small'], peers: ['flatproxy-tap', 'flatproxy-tap@2'] })
    assert.deepEqual(
      plan.peers.map(({ name }) => name),
      ['flatproxy-tap', 'flatproxy-tap@2'],
    )
  })

  it('takes over the loads of a run that it is compared with', () => {
    const against = { loads: { small: 1500 } } as unknown as Parameters<typeof chooseWork>[0]['against']
    assert.equal(chooseWork({ against }).plan.loads.get('small'), 1500)
  })

  it('takes a peer that is to be made slower from the environment', () => {
    try {
      process.env['FLATPROXY_BENCH_SLOW'] = 'flatproxy-tap@2:5'
      assert.deepEqual(chooseWork({}).plan.slow, { peer: 'flatproxy-tap@2', percent: 5 })
      for (const text of ['flatproxy-tap', 'nope:5', 'nginx:x']) {
        process.env['FLATPROXY_BENCH_SLOW'] = text
        assert.throws(() => chooseWork({}), refused, text)
      }
    } finally {
      delete process.env['FLATPROXY_BENCH_SLOW']
    }
  })

  it('ends at once when it is aborted already', async () => {
    const signal = AbortSignal.abort()
    await assert.rejects(bench({ cases: ['forward'], signal }).next(), { name: 'AbortError' })
  })
})

describe('what a peer carries', () => {
  it('is told of flatproxy with the reason', () => {
    for (const name of ['l4-small', 'tcp-small', 'small', 'routes-1k', 'tls-small'])
      assert.equal(refusedByFlatProxy(caseNamed(name)), undefined)
    assert.match(refusedByFlatProxy(caseNamed('handler')) ?? 'carried', /flatproxy has no .* yet/)
  })

  it('is no matter of peers of another trade', () => {
    assert.equal(peerOf('nftables').refuses(caseNamed('small')), false)
    assert.equal(peerOf('http-proxy').refuses(caseNamed('tcp-small')), false)
    assert.equal(peerOf('node-http').refuses(caseNamed('handler')), undefined)
    assert.equal(peerOf('haproxy').refuses(caseNamed('l4-10MB')), undefined)
  })
})

describe('flatproxy bench', () => {
  function flatproxy(...args: string[]) {
    const main = join(process.cwd(), 'dist/cli/main.js')
    return spawnSync(process.execPath, [main, 'bench', ...args], { encoding: 'utf8' })
  }

  it('refuses wrong arguments with 2, and says where help is', () => {
    for (const args of [
      ['--cases', 'nope'],
      ['--peers', 'nope'],
      ['--rounds', 'many'],
      ['--seconds', '0'],
      ['--fast'],
      ['small'],
    ]) {
      const { status, stdout, stderr } = flatproxy(...args)
      assert.deepEqual([status, stdout], [2, ''], args.join(' '))
      assert.match(stderr, /^error: .*\nSee flatproxy bench --help/)
    }
  })

  it('refuses a file to compare with that is not there with 3', () => {
    const { status, stderr } = flatproxy('--against', '/nowhere/run.json')
    assert.equal(status, 3)
    assert.match(stderr, /ERR_FLATPROXY_FILE/)
  })
})
