import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { end, spawnIn } from './process.js'
import { client, front, service } from './town.js'

/** Requests a second; each on a connection of its own. */
export const requestRate = 250

/** What came of requests: answers by server, failures, times. */
export interface Tally {
  answers: Map<string, number>
  failures: string[]
  /** Milliseconds from the start of a request, connecting included, to the end of its answer. */
  times: number[]
}

const fresh = (): Tally => ({ answers: new Map(), failures: [], times: [] })

/** curl in the client's container, which asks the service without a pause until it is stopped. */
export class Load {
  /** Since the last {@link take}. */
  current = fresh()
  readonly total = fresh()
  private stopping = false
  private readonly child

  /** @param place address and port, and how requests are made: each on a connection of its own, or all on one */
  constructor(place: { address: string; port: number } = service, connection: 'close' | 'keep-alive' = 'close') {
    this.child = spawnIn(client, 'curl', [
      ...['--silent', '--no-buffer', '--header', `Connection: ${connection}`, '--rate', `${requestRate}/s`],
      ...['--connect-timeout', '2', '--max-time', '5', '--write-out', ' %{http_code} %{exitcode} %{time_total}\n'],
      `http://${place.address}:${place.port}/?[1-1000000]`,
    ])
    createInterface(this.child.stdout).on('line', (line) => this.count(line))
    this.child.once('close', () => {
      if (!this.stopping) this.fail('curl ended before its time')
    })
  }

  /** The tally since the last call. */
  take(): Tally {
    const taken = this.current
    this.current = fresh()
    return taken
  }

  async stop(): Promise<void> {
    this.stopping = true
    const closed = once(this.child, 'close')
    end(this.child)
    await closed
  }

  private count(line: string): void {
    const [, server, status, exit, seconds] = /^(\S*) (\d{3}) (\d+) ([\d.]+)$/.exec(line) ?? []
    if (status !== '200' || exit !== '0') {
      // What curl was writing when it was stopped is not an answer.
      if (!this.stopping) this.fail(`status ${status ?? '?'}, curl's exit code ${exit ?? '?'}`)
      return
    }
    for (const tally of [this.current, this.total]) {
      tally.answers.set(server!, (tally.answers.get(server!) ?? 0) + 1)
      tally.times.push(Number(seconds) * 1000)
    }
  }

  private fail(why: string): void {
    for (const tally of [this.current, this.total]) tally.failures.push(why)
  }
}

/** Asks once; gives the response's head and body. */
export async function askOnce(path: string, ...fields: string[]): Promise<string> {
  const child = spawnIn(client, 'curl', [
    ...['--silent', '--include', '--max-time', '5', ...fields.flatMap((field) => ['--header', field])],
    `http://${front.address}:${front.port}${path}`,
  ])
  let said = ''
  child.stdout.on('data', (data: Buffer) => (said += data.toString()))
  await once(child, 'close')
  return said
}

/** A download that takes some seconds. */
export interface Download {
  readonly done: Promise<{ whole: boolean; bytes: number; server: string }>
}

export function startDownload(): Download {
  const child = spawnIn(client, 'curl', [
    ...[
      '--silent',
      '--output',
      '/dev/null',
      '--write-out',
      '%{exitcode} %{http_code} %{size_download} %header{x-served-by}',
    ],
    `http://${service.address}:${service.port}/download`,
  ])
  let said = ''
  child.stdout.on('data', (data: Buffer) => (said += data.toString()))
  const done = once(child, 'close').then(() => {
    const [exit, status, bytes, server] = said.split(' ')
    return { whole: exit === '0' && status === '200', bytes: Number(bytes), server: server ?? '' }
  })
  return { done }
}
