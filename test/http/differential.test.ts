// builds: http_reader
// The codec against Node's parser: random changes of the table's messages. FLATPROXY_MUTATIONS says how many (20000),
// FLATPROXY_SEED from which seed on (1): message N of a run is that of seed N - 1 further. The two need not agree, but each
// disagreement has a rule (rules.ts).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readByCodec, type CodecReading, type Stream } from './codec.js'
import { Dice, mutate } from './mutate.js'
import { readRequests, readResponses, type Reading } from './node-reader.js'
import { bytesOf, rowsOf, type Message } from './rows.js'
import { disagreement } from './rules.js'

const count = Number(process.env.FLATPROXY_MUTATIONS ?? 20_000)
const firstSeed = Number(process.env.FLATPROXY_SEED ?? 1)
const batch = 2000
const longest = 1024

function mutations(kind: 'requests' | 'responses') {
  const rows = rowsOf(kind).map((row) => ({ row, asked: row.asked ?? 'GET', text: bytesOf(row).toString('latin1') }))
  const short = rows.filter(({ text }) => text.length <= longest)
  const good = short.filter(({ row }) => row.expect.messages.length > 0)
  return (seed: number): Stream => {
    const dice = new Dice(seed)
    const { text, asked } = dice.of(dice.below(4) === 0 ? short : good)
    const bytes = Buffer.from(mutate(text, dice, dice.of(short).text), 'latin1')
    return { bytes, asked: kind === 'responses' ? asked : undefined }
  }
}

// Node is given pieces that end one byte in front of each end that the codec has found, and there.
const cutsOf = (messages: Message[]) => messages.flatMap(({ end }) => [end - 1, end])

const readByNode = ({ bytes, asked }: Stream, { messages }: CodecReading): Reading | Promise<Reading> =>
  asked ? readResponses(bytes, asked, cutsOf(messages)) : readRequests(bytes, cutsOf(messages))

describe("the codec and Node's parser", () => {
  for (const [kind, share] of [
    ['requests', 0.7],
    ['responses', 0.3],
  ] as const) {
    it(`read the same ${kind}, or one of them refuses`, async () => {
      const make = mutations(kind)
      const end = firstSeed + Math.ceil(count * share)
      for (let seed = firstSeed; seed < end; seed += batch) {
        const seeds = Array.from({ length: Math.min(batch, end - seed) }, (_, i) => seed + i)
        const streams = seeds.map(make)
        const readings = readByCodec(streams)
        for (const [i, stream] of streams.entries()) {
          const node = await readByNode(stream, readings[i]!)
          const problem = disagreement(stream, readings[i]!, node)
          if (problem) assert.fail(report(seeds[i]!, stream, problem, readings[i]!, node))
        }
      }
    })
  }
})

function report(seed: number, { bytes, asked }: Stream, problem: string, codec: CodecReading, node: Reading): string {
  const text = JSON.stringify(bytes.toString('latin1'))
  const of = asked ? ` (asked: ${asked})` : ''
  return `seed ${seed}: ${problem}\n${text}${of}\ncodec: ${JSON.stringify(codec)}\nNode:  ${JSON.stringify(node)}`
}
