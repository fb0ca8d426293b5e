// The codec's reading of streams, by the program test/http/reader.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Asked, Message } from './rows.js'

const program = 'build/native/http_reader'

export interface Stream {
  bytes: Buffer
  /// Of responses.
  asked?: Asked | undefined
}

/// `then` is one of the words of messages/README.md, or the name of an error.
export interface CodecReading {
  messages: Message[]
  then: string
}

export function readByCodec(streams: Stream[]): CodecReading[] {
  assert.ok(existsSync(program), `${program} is missing: cmake --build build/native --target http_reader`)
  const framed = streams.flatMap(({ bytes, asked }) => [Buffer.from(`${asked ?? 'request'} ${bytes.length}\n`), bytes])
  const { stdout, status } = spawnSync(program, { input: Buffer.concat(framed), maxBuffer: 2 ** 30 })
  assert.equal(status, 0)
  const readings = stdout.toString().trimEnd().split('\n')
  assert.equal(readings.length, streams.length)
  return readings.map((line) => JSON.parse(line) as CodecReading)
}
