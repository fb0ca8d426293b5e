// Client, server and node, each a network namespace, and the programs in them.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Mesh, Stats } from '#lib/index.js'

/** Named after the process: several towns stand beside each other, and those of the dead can be told. */
const nameOf = (place: string) => `fpnet-${process.pid}-${place}`
export const names = { client: nameOf('client'), server: nameOf('server'), node: nameOf('node') } as const
export type Name = keyof typeof names
export type Side = 'client' | 'server'
export const sides: readonly Side[] = ['client', 'server']

/** Of each side: its host, and its gateway, which is the node's. */
export const hosts = {
  client: { v4: '10.88.1.2', v6: 'fd88:1::2', gateway: { v4: '10.88.1.1', v6: 'fd88:1::1' } },
  server: { v4: '10.88.2.2', v6: 'fd88:2::2', gateway: { v4: '10.88.2.1', v6: 'fd88:2::1' } },
} as const
export const virtual = { v4: '10.96.88.1', v6: 'fd88:96::1' } as const
export type Family = keyof typeof virtual
export const families: readonly Family[] = ['v4', 'v6']
export const serverPort = 8080
export const lengths = { v4: 24, v6: 64 } as const

/** An address in a URL. */
export const urlHost = (address: string) => (address.includes(':') ? `[${address}]` : address)

/** Why these tests cannot run here, or false. */
export const cannotRun: string | false =
  process.getuid!() !== 0
    ? 'network namespaces and eBPF need root'
    : existsSync('/dev/net/tun')
      ? false
      : '/dev/net/tun does not exist'

const inside = (place: Name, command: readonly string[]) => [`--net=/run/netns/${names[place]}`, ...command]
/** A program of this folder. */
export const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Runs a program to its end; gives what it printed. */
export async function run(place: Name, ...command: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('nsenter', inside(place, command), { timeout: 280_000 })
  return stdout
}

export const ip = (...words: string[]) => execFileSync('ip', words.join(' ').split(' '), { stdio: 'pipe' }).toString()
export const sysctl = (place: Name, ...settings: string[]) =>
  execFileSync('nsenter', inside(place, ['sysctl', '-qw', ...settings]), { stdio: 'pipe' })

const running = new Set<ChildProcess>()

/** Starts a program. */
export function begin(place: Name, ...command: string[]) {
  const child = spawn('nsenter', inside(place, command), { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

/** Starts a program; resolves when it prints its first line. */
export async function start(place: Name, ...command: string[]): Promise<ChildProcess> {
  const child = begin(place, ...command)
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  const ended = once(child, 'close').then(([code, signal]) => {
    throw new Error(`${command.join(' ')}: ${String(signal ?? code)}\n${said}`)
  })
  ended.catch(() => {})
  await Promise.race([once(createInterface(child.stdout), 'line'), ended])
  return child
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  child.kill(signal)
  await ended
}

/** @param file where the mesh is that SIGHUP puts in force */
export const startProxy = (mesh: Mesh, file = '') =>
  start('node', process.execPath, script('proxy.js'), JSON.stringify(mesh), file)
/** What a proxy of startProxy() counts. */
export async function statsOf(proxy: ChildProcess): Promise<Stats> {
  const line = nextLine(proxy)
  proxy.kill('SIGUSR2')
  return JSON.parse(await line) as Stats
}

/** The next line that a program prints. */
export function nextLine(child: ChildProcess): Promise<string> {
  const lines = createInterface(child.stdout!)
  return new Promise((resolve, reject) => {
    lines.once('close', () => reject(new Error(`${child.spawnargs.join(' ')} has said no more`)))
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
  })
}

export const startServer = (port: number) => start('server', process.execPath, script('server.js'), String(port))

/** Short connections or datagrams of the client, one by one. */
export async function ask(kind: 'tcp' | 'udp', address: string, port: number, count: number) {
  const printed = await run('client', process.execPath, script('client.js'), kind, address, String(port), String(count))
  return JSON.parse(printed) as { answered: number; failures: string[] }
}

export function openTown(): void {
  sweep()
  for (const place of Object.keys(names) as Name[]) {
    ip('netns add', names[place])
    ip('-n', names[place], 'link set lo up')
    sysctl(place, 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
    sysctl(place, 'net.ipv4.ip_local_port_range=1024 65000', 'net.core.somaxconn=8192')
  }
  sysctl('node', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
}

export function closeTown(): void {
  for (const child of running) child.kill('SIGKILL')
  const there = townsThatStand()
  for (const name of Object.values(names)) if (there.includes(name)) ip('netns del', name)
}

const townsThatStand = (): readonly string[] => ip('netns list').match(/^fpnet-\d+-\w+/gm) ?? []

/** Removes what crashed test processes have left: their namespaces, and the programs in them. */
export function sweep(): void {
  for (const name of townsThatStand()) {
    if (lives(Number(name.split('-')[1]))) continue
    for (const pid of ip('netns pids', name).split('\n').filter(Boolean)) endProcess(Number(pid))
    ip('netns del', name)
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Whose the addresses of the node's ends are: the kernel's, which could forward by itself, or nobody's. */
export type NodeEnds = 'addressed' | 'bare'

/** Veth pairs between the node and its two sides, as a router has them. */
export function layVeths(ends: NodeEnds = 'addressed'): void {
  for (const side of sides) {
    const [netns, node] = [names[side], names.node]
    ip('-n', node, `link add ${side} type veth peer name eth0 netns ${netns}`)
    for (const family of families) {
      const { gateway, [family]: own } = hosts[side]
      if (ends === 'addressed')
        ip('-n', node, `addr add ${gateway[family]}/${lengths[family]} dev ${side}`, ...nodad(family))
      ip('-n', netns, `addr add ${own}/${lengths[family]} dev eth0`, ...nodad(family))
    }
    ip('-n', node, `link set ${side} up`)
    ip('-n', netns, 'link set eth0 up')
    for (const family of families)
      ip(family === 'v4' ? '-4' : '-6', '-n', netns, `route add default via ${hosts[side].gateway[family]}`)
  }
}

/** Of the sides' ends: a DPDK driver on the node's ends can neither complete checksums nor segment. */
export function switchOffloadsOff(): void {
  for (const side of sides)
    execFileSync('nsenter', inside(side, ['ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off']))
}

/** From now on a host's kernel receives from an address, and never sends there. Returns how it speaks again. */
export function silence(side: Side, towards: string): () => void {
  const route = ['-n', names[side], ...(towards.includes(':') ? ['-6'] : []), 'route']
  ip(...route, 'add blackhole', towards)
  return () => void ip(...route, 'del blackhole', towards)
}

const nodad = (family: Family) => (family === 'v6' ? ['nodad'] : [])

export function removeVeths(): void {
  for (const side of sides) ip('-n', names.node, `link del ${side}`)
}
