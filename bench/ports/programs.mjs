// Running other programs, in network namespaces and on cores.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export const netnsPath = (netns) => `/run/netns/${netns}`

const inside = (netns, command) => (netns ? ['nsenter', `--net=${netnsPath(netns)}`, ...command] : command)

// Runs to the end; gives what it printed.
export function run(command, netns) {
  const [program, ...args] = inside(netns, command)
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

export const ip = (line) => run(['ip', ...line.split(' ')])

const running = new Set()
process.once('exit', () => running.forEach((program) => program.kill()))

// A program that runs until it is stopped, or we end.
export class Running {
  #child
  #said = ''

  constructor(command, { netns, core }) {
    // What is measured goes before what else the machine does.
    const pinned = ['nice', '-n', '-20', 'taskset', '-c', String(core), ...command]
    const [program, ...args] = inside(netns, pinned)
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr.on('data', (data) => (this.#said += data))
    running.add(this)
    this.ended = once(this.#child, 'close').finally(() => running.delete(this))
  }

  // Resolves when it prints its first line.
  async ready() {
    const ended = this.ended.then(([code, signal]) => {
      throw new Error(`${this.#child.spawnargs.join(' ')}: ${signal ?? `exit code ${code}`}\n${this.#said}`)
    })
    ended.catch(() => {})
    await Promise.race([once(createInterface(this.#child.stdout), 'line'), ended])
    return this
  }

  // What it prints until it ends.
  async output() {
    let printed = ''
    this.#child.stdout.on('data', (data) => (printed += data))
    const [code] = await this.ended
    if (code !== 0) throw new Error(`${this.#child.spawnargs.join(' ')}: exit code ${code}\n${this.#said}`)
    return printed
  }

  async stop() {
    this.#child.kill('SIGTERM')
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 3_000)
    await this.ended
    clearTimeout(kill)
  }

  kill() {
    this.#child.kill('SIGKILL')
  }
}
