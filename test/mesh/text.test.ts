// Addresses, durations, names: the small languages of a mesh.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  contains,
  formatAddress,
  formatPrefix,
  hasHostBits,
  network,
  parseAddress,
  parsePrefix,
  scopeOf,
} from '#lib/mesh/address.js'
import { formatDuration, parseDuration } from '#lib/mesh/duration.js'
import { didYouMean } from '#lib/mesh/names.js'

const canonical = (text: string) => {
  const address = parseAddress(text)
  return address && formatAddress(address)
}

describe('addresses', () => {
  it('reads and writes IPv4, strictly', () => {
    for (const text of ['0.0.0.0', '10.0.0.1', '255.255.255.255']) assert.equal(canonical(text), text)
    for (const text of [
      '',
      '1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.',
      '.1.2.3',
      '1..2.3',
      '256.1.1.1',
      '01.2.3.4',
      '00.0.0.0',
      ' 1.2.3.4',
      '1.2.3.4 ',
      '1.2.3.-4',
      '0x1.2.3.4',
      '1e1.2.3.4',
    ])
      assert.equal(parseAddress(text), undefined, text)
  })

  it('reads IPv6 and writes it as RFC 5952 says', () => {
    const texts: Record<string, string> = {
      '::': '::',
      '::1': '::1',
      '1::': '1::',
      '2001:DB8:0:0:0:0:0:1': '2001:db8::1',
      '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
      '2001:0:0:1:0:0:0:1': '2001:0:0:1::1',
      '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
      '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
      '64:ff9b::192.0.2.1': '64:ff9b::c000:201',
      'fe80::0001': 'fe80::1',
    }
    for (const [text, expected] of Object.entries(texts)) assert.equal(canonical(text), expected, text)
    for (const text of [
      ':',
      ':::',
      '1',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7:8::',
      '12345::',
      'g::',
      '::1%eth0',
      '::1.2.3',
      '1.2.3.4::',
      '[::1]',
      '::1/64',
      ':1:2:3:4:5:6:7:8',
    ])
      assert.equal(parseAddress(text), undefined, text)
  })

  it('reads prefixes', () => {
    for (const text of ['10.0.0.0/8', '0.0.0.0/0', '10.0.0.1/24', 'fd00::/64', '::/0'])
      assert.equal(formatPrefix(parsePrefix(text)!), text)
    assert.equal(formatPrefix(parsePrefix('10.0.0.1')!), '10.0.0.1/32')
    assert.equal(formatPrefix(parsePrefix('fd00::1')!), 'fd00::1/128')
    for (const text of [
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/08',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '/8',
      'fd00::/129',
      '10.0.0.0/ 8',
    ])
      assert.equal(parsePrefix(text), undefined, text)
  })

  it('knows networks and what lies in them', () => {
    const prefix = (text: string) => parsePrefix(text)!
    assert.equal(formatPrefix(network(prefix('10.1.2.3/20'))), '10.1.0.0/20')
    assert.equal(formatPrefix(network(prefix('fd00::ffff/113'))), 'fd00::8000/113')
    assert.deepEqual(
      ['10.0.0.0/8', '10.0.0.1/8', '10.0.0.1/32', '0.0.0.1/0'].map((text) => hasHostBits(prefix(text))),
      [false, true, false, true],
    )
    assert.ok(contains(prefix('10.0.0.0/9'), prefix('10.127.0.0/16')))
    assert.ok(!contains(prefix('10.0.0.0/9'), prefix('10.128.0.0/16')))
    assert.ok(!contains(prefix('10.0.0.0/9'), prefix('10.0.0.0/8')))
    assert.ok(!contains(prefix('0.0.0.0/0'), prefix('fd00::/8')))
  })

  it('tells what an address is for', () => {
    const scopes = {
      '10.0.0.1': 'unicast',
      '0.0.0.0': 'unspecified',
      '127.1.1.1': 'loopback',
      '239.0.0.1': 'multicast',
      '255.255.255.255': 'broadcast',
      '169.254.1.1': 'link-local',
      'fd00::1': 'unicast',
      '::': 'unspecified',
      '::1': 'loopback',
      'ff02::1': 'multicast',
      'fe80::1': 'link-local',
      '::ffff:10.0.0.1': 'IPv4-mapped',
      '::2': 'unicast',
    }
    for (const [text, scope] of Object.entries(scopes)) assert.equal(scopeOf(parseAddress(text)!), scope, text)
  })
})

describe('durations', () => {
  it('are milliseconds, or a number with its unit', () => {
    const values: [unknown, number | undefined][] = [
      [0, 0],
      [250, 250],
      ['250ms', 250],
      ['1.5s', 1500],
      ['2m', 120_000],
      ['1h', 3_600_000],
      ['0.3s', 300],
      [1.4, 1],
    ]
    for (const [value, expected] of values) assert.equal(parseDuration(value), expected)
    for (const value of [
      -1,
      NaN,
      Infinity,
      '',
      's',
      '1',
      '-1s',
      '1 s',
      '1S',
      '1d',
      '1e3ms',
      '01s',
      `${'9'.repeat(40)}s`,
      null,
      true,
      {},
    ])
      assert.equal(parseDuration(value), undefined, JSON.stringify(value))
  })

  it('are written in the largest unit that keeps them whole', () => {
    assert.deepEqual([0, 1, 1500, 2000, 120_000, 7_200_000].map(formatDuration), [
      '0ms',
      '1ms',
      '1500ms',
      '2s',
      '2m',
      '2h',
    ])
  })
})

describe('names that were likely meant', () => {
  it('are one or two edits away', () => {
    const known = ['services', 'ports', 'workloads', 'policies']
    const cases: [string, string | undefined][] = [
      ['servces', 'services'],
      ['Ports', 'ports'],
      ['prots', 'ports'],
      ['polices', 'policies'],
      ['x', undefined],
      ['routers', undefined],
    ]
    for (const [wrong, right] of cases) assert.equal(didYouMean(wrong, known), right, wrong)
  })
})
