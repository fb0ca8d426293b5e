import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { envoyFound } from './peers/proxies.js'
import { cacheFolder, packageRoot, versionOf } from './town/files.js'
import { version } from '../version.js'

/** Where a run was measured. */
export interface Machine {
  cpu: string
  cores: number
  memory: number
  /** Runs under a hypervisor. */
  virtual: boolean
  kernel: string
  /** TCP's congestion control. */
  congestion: string
  /** By program. */
  versions: Record<string, string>
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return otherwise
  }
}

export function describeMachine(): Machine {
  const found = {
    envoy: envoyFound(cacheFolder()),
    haproxy: versionOf('haproxy', '-v'),
    nginx: versionOf('nginx', '-v'),
    wrk: versionOf('wrk', '-v'),
    nft: versionOf('nft', '-v'),
  }
  const versions = Object.entries(found).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  return {
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    cores: cpus().length,
    memory: totalmem(),
    virtual: /\bhypervisor\b/.test(readOr('/proc/cpuinfo', '')),
    kernel: release(),
    congestion: readOr('/proc/sys/net/ipv4/tcp_congestion_control', 'unknown'),
    versions: {
      flatproxy: version,
      node: process.versions.node,
      ...(Object.fromEntries(versions) as Record<string, string>),
    },
  }
}

/** In a sentence. */
export function machineLine(machine: Machine): string {
  const { cpu, cores, virtual, kernel, congestion, memory } = machine
  const gigabytes = Math.round(memory / 2 ** 30)
  return `${virtual ? 'a virtual machine' : 'a machine'} with ${cores} cores (${cpu}), ${gigabytes} GB, Linux ${kernel}, TCP's congestion control ${congestion}`
}

/** The commit of a clone, or the package's version. */
export function describeCommit(): string {
  try {
    const ask = (what: string) =>
      execFileSync('git', ['rev-parse', what], {
        cwd: packageRoot,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    // Installed below somebody's node_modules, the commit would be his.
    return ask('--show-prefix').trim() === '' ? ask('HEAD').trim() : version
  } catch {
    return version
  }
}
