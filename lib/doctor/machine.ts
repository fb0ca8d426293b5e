import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { availableParallelism, release } from 'node:os'

/** What is known of this machine and of what this process may do on it. */
export interface Machine {
  platform: string
  architecture: string
  /** The version of glibc, or undefined: another C library. */
  glibc?: string
  kernel: string
  /** Effective capabilities, as the kernel's bit mask. */
  capabilities: bigint
  /** Whether this is the machine's first user namespace: eBPF may be loaded in no other. */
  firstUserNamespace: boolean
  root: boolean
  /** Why /dev/net/tun cannot be opened, or undefined: it can. */
  tunProblem?: string
  /** Where a BPF file system is mounted. */
  bpfFileSystem?: string
  /** Sysctls by name; those that the kernel does not have are missing. */
  sysctl: Readonly<Record<string, string>>
  /** Whether the kernel knows the sockets of AF_XDP. */
  xdpSockets: boolean
  /** Hugepages by size in kB: how many there are. */
  hugepages: Readonly<Record<string, number>>
  /** Soft and hard limits, by the kernel's names; Infinity: none. */
  limits: Readonly<Record<string, { soft: number; hard: number }>>
  /** The cores that this process may use, as the kernel writes them: '0-3,8'. */
  cores: string
  coreCount: number
}

const sysctls = [
  'kernel/unprivileged_userns_clone',
  'kernel/apparmor_restrict_unprivileged_userns',
  'user/max_user_namespaces',
  'kernel/unprivileged_bpf_disabled',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/ip_local_reserved_ports',
] as const

const text = (path: string) => readFile(path, 'utf8').catch(() => '')

/** Reads what the kernel tells of the machine. Changes nothing. */
export async function readMachine(): Promise<Machine> {
  const [status, uidMap, mounts, protocols, limits] = await Promise.all(
    ['self/status', 'self/uid_map', 'self/mounts', 'net/protocols', 'self/limits'].map((name) => text(`/proc/${name}`)),
  )
  const [glibc, tunProblem] = [glibcVersion(), await whyNotTun()]
  const bpfFileSystem = /^\S+ (\S+) bpf /m.exec(mounts!)?.[1]
  return {
    platform: process.platform,
    architecture: process.arch,
    ...(glibc !== undefined && { glibc }),
    kernel: release(),
    capabilities: BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status!)?.[1] ?? '0'}`),
    firstUserNamespace: /^\s*0\s+0\s+4294967295\s*$/.test(uidMap!),
    root: process.geteuid?.() === 0,
    ...(tunProblem !== undefined && { tunProblem }),
    ...(bpfFileSystem !== undefined && { bpfFileSystem }),
    sysctl: await readSysctls(),
    xdpSockets: /^XDP\s/m.test(protocols!),
    hugepages: await readHugepages(),
    limits: readLimits(limits!),
    cores: /^Cpus_allowed_list:\s*(\S+)$/m.exec(status!)?.[1] ?? '',
    coreCount: availableParallelism(),
  }
}

function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime
}

async function whyNotTun(): Promise<string | undefined> {
  const error = await access('/dev/net/tun', constants.R_OK | constants.W_OK).catch(
    (error: NodeJS.ErrnoException) => error,
  )
  return error ? (error.code ?? error.message) : undefined
}

async function readSysctls(): Promise<Record<string, string>> {
  const values = await Promise.all(
    sysctls.map(async (name) => [name, (await text(`/proc/sys/${name}`)).trim()] as const),
  )
  return Object.fromEntries(values.filter(([, value]) => value !== ''))
}

async function readHugepages(): Promise<Record<string, number>> {
  const sizes = [2048, 1_048_576]
  const counts = await Promise.all(
    sizes.map((size) => text(`/sys/kernel/mm/hugepages/hugepages-${size}kB/nr_hugepages`)),
  )
  return Object.fromEntries(sizes.map((size, index) => [String(size), Number(counts[index]) || 0]))
}

function readLimits(limits: string): Machine['limits'] {
  const number = (value: string) => (value === 'unlimited' ? Infinity : Number(value))
  const rows = [...limits.matchAll(/^(Max .*?) {2,}(\S+) +(\S+)/gm)]
  return Object.fromEntries(rows.map(([, name, soft, hard]) => [name!, { soft: number(soft!), hard: number(hard!) }]))
}
