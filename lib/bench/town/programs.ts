import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { FlatProxyError } from '../../errors.js'

export const netnsPath = (netns: string): string => `/run/netns/${netns}`

const inside = (netns: string | undefined, command: readonly string[]) =>
  netns === undefined ? [...command] : ['nsenter', `--net=${netnsPath(netns)}`, ...command]

const failed = (command: readonly string[], reason: string, said: string, cause?: unknown) =>
  new FlatProxyError('ERR_FLATPROXY_SYSTEM', `${command.join(' ')}: ${reason}${said && `\n${said.trim()}`}`, { cause })

/** Runs a program to its end, with `input`; returns what it printed. */
export function run(command: readonly string[], netns?: string, input = ''): string {
  const [program, ...args] = inside(netns, command)
  try {
    return execFileSync(program!, args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] })
  } catch (error) {
    throw failed(command, 'failed', (error as { stderr?: string }).stderr ?? '', error)
  }
}

export const ip = (line: string): string => run(['ip', ...line.split(' ')])

/** Where a program runs, and how. */
export interface Place {
  readonly netns: string
  readonly core: number
  readonly environment?: Readonly<Record<string, string>>
}

const running = new Set<Running>()

/** Ends, at once, all programs that still run. */
export function killAll(): void {
  for (const program of running) program.kill()
}

/** A program that runs until it is stopped, or until we end. */
export class Running {
  readonly #command: readonly string[]
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #ended: Promise<[number | null, NodeJS.Signals | null]>
  #said = ''

  constructor(command: readonly string[], { netns, core, environment = {} }: Place) {
    this.#command = command
    const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
    // What is measured goes before what else the machine does.
    const pinned = ['nice', '-n', '-20', 'taskset', '-c', String(core), 'env', ...settings, ...command]
    const [program, ...args] = inside(netns, pinned)
    this.#child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdin.on('error', () => {}) // it may end before it is told to
    this.#child.stderr.on('data', (data: Buffer) => (this.#said = (this.#said + data.toString()).slice(-4096)))
    running.add(this)
    this.#ended = (once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>).finally(() =>
      running.delete(this),
    )
    this.#ended.catch(() => {})
  }

  /** nsenter, nice, taskset and env each become what they start: the program has the child's id. */
  get pid(): number {
    return this.#child.pid!
  }

  /** True until it has ended by itself. */
  get isUp(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** An error that says how it ended, and what it said. */
  failure(): FlatProxyError {
    return failed(this.#command, this.#child.signalCode ?? `exit code ${this.#child.exitCode}`, this.#said)
  }

  /** Resolves with its first line. */
  async ready(): Promise<string> {
    const ended = this.#ended.then(() => Promise.reject(this.failure()))
    ended.catch(() => {})
    const [line] = (await Promise.race([once(createInterface(this.#child.stdout), 'line'), ended])) as [string]
    return line
  }

  /** Resolves with all that it prints, once it has ended. */
  async output(): Promise<string> {
    let printed = ''
    this.#child.stdout.on('data', (data: Buffer) => (printed += data.toString()))
    const [code] = await this.#ended
    if (code !== 0) throw this.failure()
    return printed
  }

  /** Ends its input, and waits until it has ended. */
  async finish(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const kill = setTimeout(() => this.kill(), 3_000)
    await this.#ended
    clearTimeout(kill)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
