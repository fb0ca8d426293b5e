import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** DPDK's names of the drivers that a build may carry (scripts/lib/dpdk.mjs chooses them). */
const names = [
  'net_af_packet',
  'net_af_xdp',
  'net_memif',
  'net_null',
  'net_ring',
  'net_vhost',
  'net_virtio',
  'net_virtio_user',
  'net_e1000_igb',
  'net_e1000_em',
  'net_ena',
  'net_i40e',
  'net_iavf',
  'net_ice',
  'net_igc',
  'net_ixgbe',
  'net_vmxnet3',
  'mlx5_pci',
]

/** The drivers that the addon carries: DPDK has no call that lists them, so their names are looked for in its file. */
export async function builtInDrivers(): Promise<string[]> {
  const find = createRequire(__filename)('node-gyp-build') as { path(folder: string): string }
  const file = await readFile(find.path(join(__dirname, '../..')))
  return names.filter((name) => file.includes(`\0${name}\0`))
}
