import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { compileTools, configure, writeFiles } from './files.js'
import { ip, killAll, run, Running } from './programs.js'

/** The proxy's core, and the one that client and server share. */
export const cores = { proxy: 0, peers: 1 } as const

export const ports = { http: 8000, tcp: 8001, routes: 8002, https: 8443, server: 8080, serverTls: 8443 } as const

/** As a host with many connections is tuned: `connect` opens tens of thousands a second between two addresses. */
const sysctls = [
  'net.ipv4.ip_local_port_range=1024 65000',
  'net.ipv4.tcp_tw_reuse=1',
  'net.core.somaxconn=65535',
  'net.ipv4.tcp_max_tw_buckets=500000',
]

const prefix = 'fpbench-'

/** The network namespaces of a run (client, proxy, server), the web server in one of them, and a folder for files. */
export class Town {
  readonly folder = mkdtempSync(join(tmpdir(), 'flatproxy-bench-'))
  readonly client = `${prefix}${process.pid}-client`
  readonly server = `${prefix}${process.pid}-server`
  readonly proxy = `${prefix}${process.pid}-proxy`
  #web: Running | undefined
  readonly #atExit = () => this.#remove()

  async open(): Promise<void> {
    process.once('exit', this.#atExit)
    removeNamespaces((pid) => !existsSync(`/proc/${pid}`))
    for (const netns of [this.client, this.server, this.proxy]) {
      ip(`netns add ${netns}`)
      ip(`-n ${netns} link set lo up`)
      for (const setting of sysctls) run(['sysctl', '-qw', setting], netns)
    }
    writeFiles(this.folder)
    compileTools(this.folder)
    const config = configure(this.folder, 'server.conf', { FOLDER: this.folder })
    const command = ['nginx', '-e', join(this.folder, 'server.log'), '-c', config]
    this.#web = new Running(command, { netns: this.server, core: cores.peers })
    await sleep(200)
    if (!this.#web.isUp) throw this.#web.failure()
  }

  async close(): Promise<void> {
    await this.#web?.stop()
    this.#remove()
    process.off('exit', this.#atExit)
  }

  /** What can be done at once, at the end of the process too. */
  #remove(): void {
    killAll()
    removeNamespaces((pid) => pid === process.pid)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Removes the namespaces of the runs that `chosen` names, by the id of their process. */
function removeNamespaces(chosen: (pid: number) => boolean): void {
  const there = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  for (const name of there) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && chosen(Number(pid))) ip(`netns del ${name}`)
  }
}
