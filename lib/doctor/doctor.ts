import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Diagnosis } from '../api.js'
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
    const load = createRequire(__filename)('node-gyp-build') as (folder: string) => unknown
    const addon = load(join(__dirname, '../..')) as { dpdkVersion(): string; drivers?(): string[] }
    return { dpdk: addon.dpdkVersion(), drivers: addon.drivers?.() ?? [] }
  } catch (error) {
    return { problem: `cannot be loaded: ${(error as Error).message.split('\n')[0]}` }
  }
}
