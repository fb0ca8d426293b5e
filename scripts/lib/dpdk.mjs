// What DPDK adds to the addon's compile and link lines, taken from pkg-config: release and architecture differ in names,
// so the wanted drivers are intersected with those that this machine's DPDK has.
//   node scripts/lib/dpdk.mjs cflags | ldflags
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// Constructors register these: they are linked whole. mlx5 needs rdma-core and is a flavour of its own (FLATPROXY_MLX5=1).
const drivers = [
  'bus_pci',
  'bus_vdev',
  'mempool_ring',
  'net_af_packet',
  'net_af_xdp',
  'net_memif',
  'net_null',
  'net_ring',
  'net_tap',
  'net_vhost',
  'net_virtio',
  'net_e1000',
  'net_ena',
  'net_i40e',
  'net_iavf',
  'net_ice',
  'net_igc',
  'net_ixgbe',
  'net_vmxnet3',
]
const mlx5 = { drivers: ['bus_auxiliary', 'common_mlx5', 'net_mlx5'], system: ['-lmlx5', '-libverbs'] }
const driverClass = /^(bus|net|mempool|raw|crypto|compress|regex|vdpa|event|baseband|dma|ml|gpu)_/

const pkgConfig = (...args) =>
  execFileSync('pkg-config', [...args, 'libdpdk'], { encoding: 'utf8' })
    .trim()
    .split(/\s+/)

function cflags() {
  // -I to -isystem: our warnings are not for DPDK's headers. Its -march is a floor; on x86 ours is x86-64-v2.
  return pkgConfig('--cflags')
    .filter((flag) => !(process.arch === 'x64' && flag.startsWith('-march=')))
    .flatMap((flag) => (flag.startsWith('-I') ? ['-isystem', flag.slice(2)] : [flag]))
}

function ldflags() {
  const names = [
    ...new Set(pkgConfig('--static', '--libs').flatMap((flag) => flag.match(/^-l:librte_(.*)\.a$/)?.[1] ?? [])),
  ]
  const withMlx5 = process.env.FLATPROXY_MLX5 === '1'
  const wanted = [...drivers, ...(withMlx5 ? mlx5.drivers : [])]
  const whole = wanted.filter((name) => names.includes(name))
  const rest = names.filter((name) => !driverClass.test(name) && !whole.includes(name))
  const archive = (name) => `-l:librte_${name}.a`
  return [
    '-Wl,--wrap=__fprintf_chk,--wrap=__printf_chk', // native/port/ethdev_stdio_shim.cc
    '-Wl,--wrap=setsockopt,--wrap=sendto', // native/port/ethdev_packet_shim.cc
    '-Wl,--whole-archive',
    ...whole.map(archive),
    '-Wl,--no-whole-archive',
    '-Wl,--start-group',
    ...rest.map(archive),
    '-Wl,--end-group',
    '-l:libbsd.a',
    '-l:libmd.a',
    ...(withMlx5 ? mlx5.system : []),
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const print = { cflags, ldflags }[process.argv[2]]
  console.log(print().join('\n'))
}
