import type { Diagnosis } from '../api.js'
import type { FlatProxyError } from '../errors.js'
import { loadAddon, type Addon as Native } from '../native.js'
import { examine, type Addon } from './checks.js'
import { readMachine } from './machine.js'

/**
 * What this machine can carry: platform, kernel, capabilities, devices, limits; what is missing and how to get it.
 * Changes nothing, and needs no privilege.
 */
export async function doctor(): Promise<Diagnosis> {
  return examine(await readMachine(), inspectAddon())
}

function inspectAddon(): Addon {
  try {
    const addon = loadAddon() as Native & { drivers?(): readonly string[] }
    return { dpdk: addon.dpdkVersion(), drivers: addon.drivers?.() ?? [] }
  } catch (error) {
    const { message, remedy } = error as FlatProxyError
    return { problem: message.split('\n')[0]!, ...(remedy !== undefined && { remedy }) }
  }
}
