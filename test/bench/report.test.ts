// What is made of a run's figures: tables, Markdown, pictures, comparisons.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  compareRatios,
  compareRuns,
  describeAgreement,
  describeChanges,
  readReport,
  renderMarkdown,
  renderPlots,
  renderSummary,
  renderTable,
} from 'flatproxy/bench'
import { noisyCases } from '#lib/bench/run/noise.js'
import { loadOf } from '#lib/bench/run/load.js'
import { Results } from '#lib/bench/run/results.js'
import { ratiosOf } from '#lib/bench/run/ratios.js'
import { caseOf } from '#lib/bench/cases.js'
import { writeResults } from '#lib/bench/write.js'
import { report, row } from './report.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-bench-test-'))
after(() => rmSync(folder, { recursive: true }))

/** Throws unless every element is closed, in order, and nothing is left unescaped. */
function checkXml(text: string): void {
  const open: string[] = []
  const rest = text.replaceAll(
    /<(\/?)([a-zA-Z]+)((?: [\w:-]+="[^"<&]*(?:&\w+;[^"<&]*)*")*)(\/?)>/g,
    (_, end, name, _attributes, empty) => {
      if (end) assert.equal(open.pop(), name)
      else if (!empty) open.push(name as string)
      return ''
    },
  )
  assert.deepEqual(open, [])
  assert.doesNotMatch(rest, /[<>]|&(?!(amp|lt|gt|quot);)/)
}

describe('a run in tables', () => {
  it('shows figures, what is not carried yet, and ratios with what they mean', () => {
    const text = renderTable(report())
    assert.match(text, /^l4-small: L4 service: .*; open loop at 2000\/s$/m)
    assert.match(text, /^flatproxy-tap +60,000 ±750 +8 ±0.15 +100 ±1$/m)
    assert.match(text, /^flatproxy-tap +flatproxy has no HTTP routes yet$/m)
    assert.match(text, /flatproxy-tap \/ nftables +rps +0.97 \(0.95–0.99\) +worse/)
    assert.match(text, /flatproxy-tap \/ nftables +cpu_us +1.33 \(1.30–1.36\) +worse/)
    assert.match(text, /flatproxy-tap \/ direct +rps +1.20 .* +better/)
  })

  it('says that it was noisy', () => {
    const noisy = { ...report(), noise: ['small: its ratios are only known to 30.0 %'] }
    assert.match(renderTable(noisy), /^NOISY\n {2}small: its ratios/m)
    assert.match(renderMarkdown(noisy), /\*\*This run was noisy\*\*/)
  })

  it('says in Markdown where, when and how it was measured', () => {
    const text = renderMarkdown(report())
    for (const part of [
      '2026-11-26',
      'a virtual machine with 2 cores',
      'bbr',
      '`npm run bench:peers -- --quick`',
      'haproxy 2.6.12',
    ])
      assert.ok(text.includes(part), part)
    assert.match(text, /^\| flatproxy-tap \| 60,000 ±750 \| 8 ±0.15 \| 100 ±1 \|$/m)
    assert.match(text, /!\[l4-small\]\(bars-l4-small\.svg\)/)
  })

  it('tells wins and losses alike in the summary', () => {
    const text = renderSummary(report(), 'bench/results')
    assert.match(text, /^\| `l4-small` \| flatproxy-tap \| [^|]+ \| \*\*1\.20\*\* \| _0\.97_ \|$/m)
    assert.match(text, /^\| `l4-small` \| flatproxy-tap \| [^|]+ \|[^|]*\| _1\.33_ \|$/m)
    assert.match(text, /\| `l4-small` \| 50\.0 k, .* \| 60\.0 k, 8 µs \| 62\.0 k, 6 µs \|/)
  })
})

describe('the plots of a run', () => {
  it('are well-formed, one of bars for each case and one of latencies where there was a load', () => {
    const plots = renderPlots(report())
    assert.deepEqual([...plots.keys()], ['bars-l4-small.svg', 'latency-l4-small.svg', 'bars-small.svg'])
    for (const picture of plots.values()) checkXml(picture)
  })

  it('survive peers without latencies and figures of nothing', () => {
    const empty = { ...report(), latencies: { 'small/haproxy': [] }, rows: [row('small/haproxy/rps', [0])] }
    for (const picture of renderPlots(empty).values()) {
      checkXml(picture)
      assert.doesNotMatch(picture, /NaN|Infinity/)
    }
  })

  it('replace those of the run before', () => {
    writeFileSync(join(folder, 'bars-ping.svg'), '')
    writeResults(report(), folder)
    assert.deepEqual(readdirSync(folder).sort(), [
      'bars-l4-small.svg',
      'bars-small.svg',
      'latency-l4-small.svg',
      'peers.json',
      'peers.md',
    ])
    assert.deepEqual(readReport(join(folder, 'peers.json')), report())
    assert.ok(readFileSync(join(folder, 'peers.md'), 'utf8').startsWith('# Side by side'))
  })
})

describe('a comparison with another run', () => {
  const before = [
    row('small/haproxy/rps', [100, 101, 99, 100, 100]),
    row('small/haproxy/cpu_us', [10, 10.1, 9.9, 10, 10]),
  ]

  it('names what is worse beyond the noise, whichever way is better', () => {
    const now = [row('small/haproxy/rps', [90, 91, 89, 90, 90]), row('small/haproxy/cpu_us', [9, 9.1, 8.9, 9, 9])]
    const changes = compareRuns(now, before)
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['regression', 'improvement'],
    )
    assert.match(describeChanges(changes)[0]!, /^regression: small\/haproxy\/rps 0\.900 \(/)
  })

  it('does not name what lies within the noise, or is too small to matter', () => {
    const noisy = [
      row('small/haproxy/rps', [80, 120, 95, 70, 110]),
      row('small/haproxy/cpu_us', [10.2, 10.21, 10.2, 10.2, 10.2]),
    ]
    assert.deepEqual(
      compareRuns(noisy, before).map(({ kind }) => kind),
      ['same', 'same'],
    )
  })

  it('leaves out figures under another load', () => {
    const loaded = (load: string) => [row('small/haproxy/p50_us', [1, 2, 3], { load })]
    assert.deepEqual(compareRuns(loaded('1000 requests/s'), loaded('2000 requests/s')), [])
  })

  it('tells which ratios agree: the intervals hold the difference, under the same load', () => {
    const ratio = (value: number, name = 'small/rps') =>
      ({ name, of: 'haproxy', to: 'direct', value, low: value * 0.9, high: value * 1.1 }) as const
    const run = (ratios: ReturnType<typeof ratio>[], load = 1000) => ({ ...report(), ratios, loads: { small: load } })
    const agreement = (now: number, before: number) => compareRatios(run([ratio(now)]), run([ratio(before)]))
    assert.deepEqual(agreement(0.5, 0.55).disagree, [])
    assert.equal(agreement(0.5, 0.55).common, 1)
    for (const [now, before] of [
      [0.5, 0.6],
      [0.6, 0.5],
    ] as const) {
      const lines = describeAgreement(agreement(now, before))
      assert.match(lines[0]!, /^differs: small\/rps of haproxy to direct: 0\.\d00 \(/)
      assert.equal(lines[1], '0 of 1 ratios agree within their intervals')
    }
    const [a, b] = [run([ratio(1, 'small/p50_us')]), run([ratio(1, 'small/p50_us')], 2000)]
    assert.equal(compareRatios(a, b).common, 0)
  })

  it('refuses a file that is none, with a typed error', () => {
    const file = join(folder, 'other.json')
    for (const text of ['{', '{}', '{"rows":[{}]}', 'null']) {
      writeFileSync(file, text)
      assert.throws(() => readReport(file), { code: 'ERR_FLATPROXY_FILE' }, text)
    }
    assert.throws(() => readReport(join(folder, 'none.json')), { code: 'ERR_FLATPROXY_FILE' })
  })
})

describe('the runner', () => {
  const small = caseOf('small')

  it('chooses a load that the slowest sustains, the same for runs that differ little', () => {
    assert.equal(loadOf([46_000, 4_800, 9_000]), 2_000)
    assert.equal(loadOf([5_100, 46_000]), 2_000)
    assert.equal(loadOf([35]), 15)
    assert.equal(loadOf([]), undefined)
    assert.equal(loadOf([0]), undefined)
  })

  it('says what is noisy and why', () => {
    const results = new Results()
    const add = (peer: string, values: readonly number[]) =>
      values.forEach((rps, round) => results.add(round, 'small', peer, { rps }))
    add('direct', [100, 101, 100])
    add('haproxy', [100, 99, 101])
    const judge = (stolen: number, idle: number) => [
      ...noisyCases([small], ['direct', 'haproxy'], { results, stolen: [stolen], idle }).values(),
    ]
    assert.deepEqual(judge(0, 0), [])
    assert.match(judge(0.2, 0)[0]!, /hypervisor took 20\.0 %/)
    assert.match(judge(0, 0.3)[0]!, /30\.0 % busy with other work/)
    add('direct', [100, 150, 60])
    add('haproxy', [80, 100, 160])
    assert.match(judge(0, 0)[0]!, /ratios are only known to/)
  })

  it('grows surer with more rounds of a noisy case', () => {
    const results = new Results()
    const judge = () => noisyCases([small], ['direct', 'haproxy'], { results, stolen: [0], idle: 0 }).size
    const ratios = [1, 1.3, 0.8]
    const addRounds = (first: number, count: number) => {
      for (let round = first; round < first + count; round++) {
        results.add(round, 'small', 'direct', { rps: 100 })
        results.add(round, 'small', 'haproxy', { rps: 100 * ratios[round % 3]! })
      }
    }
    addRounds(0, 3)
    assert.equal(judge(), 1)
    addRounds(3, 9)
    assert.equal(judge(), 0)
  })

  it('holds added latency and the whole machine against no proxy, round by round', () => {
    const results = new Results()
    for (const [round, [direct, peer]] of [
      [10, 15],
      [20, 26],
    ].entries()) {
      results.add(round, 'small', 'direct', { p50_us: direct!, machine_cpu_us: direct! })
      results.add(round, 'small', 'haproxy', { p50_us: peer!, machine_cpu_us: peer! })
    }
    results.derive([small], ['direct', 'haproxy'])
    const rows = new Map(results.entries([small], ['direct', 'haproxy']))
    assert.deepEqual(rows.get('small/haproxy/added_p50_us'), [5, 6])
    assert.deepEqual(rows.get('small/haproxy/machine_cpu_us'), [5, 6])
    assert.equal(rows.has('small/direct/machine_cpu_us'), false)
  })

  it('compares flatproxy with all others, and once with itself', () => {
    const results = new Results()
    const peers = ['direct', 'flatproxy-tap', 'flatproxy-tap@2', 'haproxy']
    for (const peer of peers) for (const round of [0, 1]) results.add(round, 'small', peer, { rps: 100, cpu_us: 5 })
    const pairs = ratiosOf([small], peers, results).map(({ name, of, to }) => `${name} ${of} ${to}`)
    assert.deepEqual(
      pairs.filter((pair) => pair.startsWith('small/rps')),
      [
        'small/rps flatproxy-tap direct',
        'small/rps flatproxy-tap flatproxy-tap@2',
        'small/rps flatproxy-tap haproxy',
        'small/rps flatproxy-tap@2 direct',
        'small/rps flatproxy-tap@2 haproxy',
      ],
    )
    assert.ok(!pairs.some((pair) => /cpu_us .*direct/.test(pair)))
  })
})
