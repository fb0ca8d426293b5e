import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { FlatProxyError } from '../errors.js'
import type { Row } from './report.js'
import { packageRoot } from './town/files.js'

/** The figures of the engine alone, on memory ports. */
export const engineCases: readonly string[] = [
  ...['forward', 'flow-10k', 'flow-10k-policies', 'flow-1m', 'flow-new', 'flow-bytes'],
  ...['tcp-connect', 'tcp-large', 'tcp-small', 'tcp-ping'],
  ...['tcp-flood', 'tcp-flood-kept', 'tcp-idle-bytes', 'tcp-idle-cost'],
  ...['route-10k', 'request-keepalive', 'request-connect', 'body-large', 'http-idle-bytes'],
  ...['classify-new-10k', 'classify-1k-by-1k', 'policy-build-10k', 'roce-10k'],
  ...['tls-seal-16k', 'tls-open-16k', 'tls-seal-1k'],
]

const program = join(packageRoot, 'build/bench/engine_bench')

/** Runs the engine's own benchmark, which a clone builds (`npm run bench:engine`); rows come one by one. */
export async function* benchEngine(
  cases: readonly string[],
  rounds: number,
  signal?: AbortSignal,
): AsyncGenerator<Row, void> {
  if (cases.length === 0) return
  signal?.throwIfAborted()
  if (!existsSync(program))
    throw new FlatProxyError('ERR_FLATPROXY_NOT_FOUND', 'the benchmark of the engine is not built', {
      remedy: 'It is built from sources that only a clone has: run `npm run bench:engine` there.',
    })
  const options = ['--rounds', String(rounds), '--rows', cases.join()]
  const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close') as Promise<[number | null]>
  const abort = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', abort)
  try {
    for await (const line of createInterface(child.stdout)) yield JSON.parse(line) as Row
    const [code] = await ended
    signal?.throwIfAborted()
    if (code !== 0) throw new FlatProxyError('ERR_FLATPROXY_INTERNAL', `the benchmark of the engine ended with ${code}`)
  } finally {
    signal?.removeEventListener('abort', abort)
    child.kill('SIGKILL')
  }
}
