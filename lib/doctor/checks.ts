import type { Diagnosis } from '../api.js'
import type { Machine } from './machine.js'

/** What is known of the addon: what it is built from, or why it cannot be loaded. */
export type Addon = { dpdk: string; drivers: readonly string[] } | { problem: string; remedy?: string }

type Check = Diagnosis['checks'][number]
type Examination = (machine: Machine, addon: Addon) => Check & { required?: boolean }

const capabilities = { CAP_NET_ADMIN: 12n, CAP_IPC_LOCK: 14n, CAP_SYS_ADMIN: 21n, CAP_BPF: 39n } as const

/** Looks at everything that flatproxy needs or can use. `supported`: what every port needs is there. */
export function examine(machine: Machine, addon: Addon): Diagnosis {
  const found = examinations.map((examination) => examination(machine, addon))
  return {
    supported: found.every(({ required, ok }) => ok || required !== true),
    checks: found.map(({ name, ok, detail, remedy }) => ({
      name,
      ok,
      detail,
      ...(!ok && remedy !== undefined && { remedy }),
    })),
  }
}

const examinations: readonly Examination[] = [
  platform,
  libc,
  addonLoads,
  kernel,
  netAdmin,
  bpf,
  tun,
  bpfFileSystem,
  userNamespaces,
  xdp,
  hugepages,
  lockedMemory,
  openFiles,
  sourcePorts,
  cores,
]

const container =
  'Run it in a container: docker run --rm -it --cap-add NET_ADMIN --cap-add BPF --device /dev/net/tun node:22 npx flatproxy'

function platform({ platform, architecture }: Machine): ReturnType<Examination> {
  const ok = platform === 'linux' && (architecture === 'x64' || architecture === 'arm64')
  return { name: 'platform', ok, detail: `${platform} on ${architecture}`, remedy: container, required: true }
}

function libc({ glibc }: Machine): ReturnType<Examination> {
  const ok = glibc !== undefined && atLeast(glibc, [2, 34])
  const remedy = 'Use a distribution with glibc 2.34 or newer: Debian 12, Ubuntu 22.04, RHEL 9; not Alpine (musl).'
  return { name: 'C library', ok, detail: glibc === undefined ? 'not glibc' : `glibc ${glibc}`, remedy, required: true }
}

function addonLoads(_: Machine, addon: Addon): ReturnType<Examination> {
  if ('problem' in addon) {
    const { problem, remedy = 'Reinstall the package on this platform, or build the addon: npm run build.' } = addon
    return { name: 'addon', ok: false, detail: problem, remedy, required: true }
  }
  const drivers = addon.drivers.length > 0 ? `; drivers: ${addon.drivers.join(', ')}` : ''
  return { name: 'addon', ok: true, detail: `${addon.dpdk}${drivers}`, required: true }
}

function kernel({ kernel }: Machine): ReturnType<Examination> {
  const ok = atLeast(kernel, [5, 15])
  const how = atLeast(kernel, [6, 6])
    ? 'iface ports attach by tcx'
    : 'iface ports attach by clsact (tcx comes with 6.6)'
  const detail = ok ? `${kernel}: ${how}` : `${kernel}: too old for iface ports`
  return { name: 'kernel', ok, detail, remedy: 'Use Linux 5.15 or newer for iface ports; tap ports work.' }
}

function netAdmin({ capabilities: mask }: Machine): ReturnType<Examination> {
  const ok = has(mask, 'CAP_NET_ADMIN')
  const detail = ok ? 'tap and iface ports can be opened' : 'neither tap nor iface ports can be opened'
  const remedy = 'Run as root, give the container --cap-add NET_ADMIN, or try it in a user namespace: unshare -Urnm.'
  return { name: 'CAP_NET_ADMIN', ok, detail, remedy }
}

/** Whether eBPF may be loaded: by a capability that is held in the machine's first user namespace. */
export function hasBpf(machine: Machine): boolean {
  return holdsBpf(machine) && machine.firstUserNamespace
}

function holdsBpf({ capabilities: mask }: Machine): boolean {
  return has(mask, 'CAP_BPF') || has(mask, 'CAP_SYS_ADMIN')
}

function bpf(machine: Machine): ReturnType<Examination> {
  const name = 'CAP_BPF'
  if (hasBpf(machine)) return { name, ok: true, detail: 'eBPF programs of iface ports can be loaded' }
  if (holdsBpf(machine))
    return {
      name,
      ok: false,
      detail: 'held in a user namespace only: eBPF may not be loaded, so no iface ports',
      remedy: 'Use tap ports, or run outside of the user namespace.',
    }
  const remedy = 'Run as root, or give the container --cap-add BPF (Docker 23+); tap ports do not need it.'
  return { name, ok: false, detail: 'eBPF may not be loaded, so no iface ports', remedy }
}

function tun({ tunProblem }: Machine): ReturnType<Examination> {
  const ok = tunProblem === undefined
  const detail = ok ? 'can be opened' : `cannot be opened (${tunProblem}), so neither tap nor iface ports`
  const remedy = 'modprobe tun; in a container: --device /dev/net/tun.'
  return { name: '/dev/net/tun', ok, detail, remedy }
}

function bpfFileSystem({ bpfFileSystem: place }: Machine): ReturnType<Examination> {
  const ok = place !== undefined
  const detail = ok ? `mounted at ${place}` : "not mounted: iface ports with onExit: 'block' cannot be had"
  return { name: 'BPF file system', ok, detail, remedy: 'mount -t bpf bpf /sys/fs/bpf' }
}

function userNamespaces({ sysctl, root, firstUserNamespace }: Machine): ReturnType<Examination> {
  const name = 'user namespaces'
  if (root && firstUserNamespace) return { name, ok: true, detail: 'not needed by root' }
  const closed = [
    sysctl['user/max_user_namespaces'] === '0' && 'sysctl -w user.max_user_namespaces=10000',
    sysctl['kernel/unprivileged_userns_clone'] === '0' && 'sysctl -w kernel.unprivileged_userns_clone=1',
    sysctl['kernel/apparmor_restrict_unprivileged_userns'] === '1' &&
      'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ].filter((command) => command !== false)
  if (closed.length === 0) return { name, ok: true, detail: 'tap ports can be tried without root: flatproxy demo' }
  const remedy = `As root: ${closed.join('; ')}. Or run flatproxy with sudo.`
  return { name, ok: false, detail: 'closed to unprivileged users', remedy }
}

function xdp({ xdpSockets }: Machine): ReturnType<Examination> {
  const detail = xdpSockets ? 'known to the kernel' : 'not known to the kernel: no ethdev ports by net_af_xdp'
  const remedy = 'Use a kernel with CONFIG_XDP_SOCKETS, or an iface port.'
  return { name: 'AF_XDP', ok: xdpSockets, detail, remedy }
}

function hugepages({ hugepages: counts }: Machine): ReturnType<Examination> {
  const there = Object.entries(counts).filter(([, count]) => count > 0)
  const ok = there.length > 0
  const listed = there.map(([size, count]) => `${count} of ${Number(size) / 1024} MB`).join(', ')
  const detail = ok ? listed : 'none: ethdev ports of PCI NICs need them, other ports do without'
  return { name: 'hugepages', ok, detail, remedy: 'sysctl -w vm.nr_hugepages=256' }
}

/** What net_af_xdp locks for its buffers, and some room. */
const xdpMemory = 64 * 1024 * 1024

function lockedMemory({ limits, capabilities: mask }: Machine): ReturnType<Examination> {
  const { soft } = limits['Max locked memory'] ?? { soft: Infinity }
  const ok = soft >= xdpMemory || has(mask, 'CAP_IPC_LOCK')
  const detail = ok ? 'enough for AF_XDP' : `${soft} bytes: too little for ethdev ports by net_af_xdp`
  return { name: 'locked memory', ok, detail, remedy: 'ulimit -l unlimited, or --ulimit memlock=-1 for a container.' }
}

/** Queues of some hundred ports on some lanes. */
const enoughFiles = 4096

function openFiles({ limits }: Machine): ReturnType<Examination> {
  const { soft, hard } = limits['Max open files'] ?? { soft: Infinity, hard: Infinity }
  const ok = hard >= enoughFiles
  const detail = `${soft}, at most ${hard}; each port takes some for each lane`
  return { name: 'open files', ok, detail, remedy: `ulimit -Hn ${enoughFiles}, as root.` }
}

/** What listeners' connections to endpoints come from (native/lane/source_ports.h). */
const ours = [1024, 32_767] as const

function sourcePorts({ sysctl }: Machine): ReturnType<Examination> {
  const numbers = (text = '') => text.split(/[\s-]+/).map(Number)
  const [first = 0, last = 0] = numbers(sysctl['net/ipv4/ip_local_port_range'])
  const reserved = (sysctl['net/ipv4/ip_local_reserved_ports'] ?? '').split(',').map(numbers)
  const [from, to] = [Math.max(first, ours[0]), Math.min(last, ours[1])]
  const ok = from > to || reserved.some(([low = 0, high = low]) => low <= from && high >= to)
  const detail = ok
    ? "of listeners' connections are kept from the kernel"
    : `${from} to ${to} are the kernel's, too: connections of listeners may meet its own where an iface port shares an address`
  const remedy = `sysctl -w net.ipv4.ip_local_reserved_ports=${ours.join('-')}`
  return { name: 'source ports', ok, detail, remedy }
}

function cores({ cores: list, coreCount }: Machine): ReturnType<Examination> {
  const detail = `${coreCount} (${list}): up to ${coreCount} lanes with a core each`
  return { name: 'cores', ok: true, detail }
}

function has(mask: bigint, name: keyof typeof capabilities): boolean {
  return ((mask >> capabilities[name]) & 1n) === 1n
}

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split(/[.-]/).map(Number)
  return a > major || (a === major && b >= minor)
}
