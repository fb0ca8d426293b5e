import type { Diagnosis } from '../api.js'
import type { FlatProxyError } from '../errors.js'
import { loadAddon } from '../native.js'
import { examine, type Addon } from './checks.js'
import { builtInDrivers } from './drivers.js'
import { readMachine } from './machine.js'

/**
 * What this machine can carry: platform, kernel, capabilities, devices, limits; what is missing and how to get it.
 * Changes nothing, and needs no privilege.
 */
export async function doctor(): Promise<Diagnosis> {
  return examine(await readMachine(), await inspectAddon())
}

async function inspectAddon(): Promise<Addon> {
  try {
    const dpdk = loadAddon().dpdkVersion()
    return { dpdk: `DPDK ${dpdk}`, drivers: await builtInDrivers() }
  } catch (error) {
    const { message, remedy } = error as FlatProxyError
    return { problem: message.split('\n')[0]!, ...(remedy !== undefined && { remedy }) }
  }
}
