// The network namespaces of the measurement, the web server in one of them, and the ways to join them.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ip, run, Running } from './programs.mjs'

export const client = 'fpbench-client'
export const server = 'fpbench-server'
export const proxy = 'fpbench-proxy'
const all = [client, server, proxy]

export const serverPort = 8080
export const bodyBytes = 10 * 1024 * 1024

// As a host with many connections is tuned: `connect` opens tens of thousands a second from one address to another.
const sysctls = [
  'net.ipv4.ip_local_port_range=1024 65000',
  'net.ipv4.tcp_tw_reuse=1',
  'net.core.somaxconn=65535',
  'net.ipv4.tcp_max_tw_buckets=500000',
]

const configOf = (folder) => `
master_process off; daemon off; user root; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 16000; }
http {
  access_log off; sendfile on; keepalive_requests 100000000; keepalive_timeout 3600;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server { listen ${serverPort} backlog=16384; root ${folder}; location = /small { return 200 "hello world"; } }
}
`

export class Town {
  folder = mkdtempSync(join(tmpdir(), 'flatproxy-bench-'))
  #nginx

  async open() {
    this.#removeNamespaces()
    for (const netns of all) {
      ip(`netns add ${netns}`)
      ip(`-n ${netns} link set lo up`)
      for (const setting of sysctls) run(['sysctl', '-qw', setting], netns)
    }
    writeFileSync(join(this.folder, '10MB'), randomBytes(bodyBytes))
    const config = join(this.folder, 'nginx.conf')
    writeFileSync(config, configOf(this.folder))
    this.#nginx = new Running(['nginx', '-e', join(this.folder, 'error.log'), '-c', config], { netns: server, core: 1 })
  }

  async close() {
    await this.#nginx?.stop()
    this.remove()
  }

  // What can be done at once, at the end of the process too.
  remove() {
    this.#removeNamespaces()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #removeNamespaces() {
    const there = ip('netns list').split(/\s+/)
    for (const netns of all) if (there.includes(netns)) ip(`netns del ${netns}`)
  }
}

// A veth pair between a namespace (its end is `inner`) and the proxy's (`outer`).
export function joinByVeth(netns, outer, inner) {
  ip(`-n ${proxy} link add ${outer} type veth peer name ${inner} netns ${netns}`)
  ip(`-n ${proxy} link set ${outer} up`)
  ip(`-n ${netns} link set ${inner} up`)
}

export const address = (netns, device, own) => ip(`-n ${netns} addr add ${own} dev ${device}`)

export const indexOf = (netns, device) => JSON.parse(ip(`-n ${netns} -j link show dev ${device}`))[0].ifindex

// Waits until a URL answers in the client's namespace.
export async function answers(url) {
  for (let attempt = 0; ; attempt++) {
    try {
      return run(['curl', '-sf', '--max-time', '1', '-o', '/dev/null', url], client)
    } catch (error) {
      if (attempt >= 20) throw new Error(`${url} does not answer`, { cause: error })
      await sleep(100)
    }
  }
}
