import { FlatProxyError, MeshError, UnsupportedError } from '../errors.js'

/** The exit codes of `flatproxy`, with what they mean; `--help` and docs/cli.md tell them. */
export const exitCodes = {
  ok: [0, 'done'],
  failed: [1, 'failed: a request of the demo, an error of flatproxy itself'],
  usage: [2, 'wrong arguments'],
  mesh: [3, 'the mesh has problems, asks for what is not supported, or cannot be read'],
  start: [4, 'cannot start: a capability, module, device or the addon is missing, or the control socket is taken'],
  control: [5, 'no proxy answers at the control socket'],
  interrupted: [130, 'interrupted'],
} as const satisfies Record<string, readonly [code: number, meaning: string]>

export type Exit = keyof typeof exitCodes

/** Arguments that are wrong. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly command?: string,
  ) {
    super(message)
  }
}

/** How the process ends after an error. */
export function exitOf(error: unknown): Exit {
  if (error instanceof UsageError) return 'usage'
  if (error instanceof MeshError || error instanceof UnsupportedError) return 'mesh'
  if (!(error instanceof FlatProxyError)) return 'failed'
  switch (error.code) {
    case 'ERR_FLATPROXY_FILE':
      return 'mesh'
    case 'ERR_FLATPROXY_CONTROL':
      return 'control'
    case 'ERR_FLATPROXY_PLATFORM':
    case 'ERR_FLATPROXY_NATIVE':
    case 'ERR_FLATPROXY_EAL':
    case 'ERR_FLATPROXY_EAL_MEMORY':
    case 'ERR_FLATPROXY_EAL_PCI':
    case 'ERR_FLATPROXY_MEMORY':
    case 'ERR_FLATPROXY_LANE':
    case 'ERR_FLATPROXY_PORT':
    case 'ERR_FLATPROXY_PRIVILEGE':
      return 'start'
    default:
      return 'failed'
  }
}
