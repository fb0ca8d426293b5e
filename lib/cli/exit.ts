import { FlatProxyError, MeshError, UnsupportedError } from '../errors.js'

/** The exit codes of `flatproxy`, with what they mean; `--help` and docs/cli.md tell them. */
export const exitCodes = {
  ok: [0, 'done'],
  failed: [1, 'failed: a request of the demo, a peer or a figure of a benchmark, an error of flatproxy itself'],
  usage: [2, 'wrong arguments'],
  noisy: [2, 'a benchmark was noisy three times over; its figures are written'],
  mesh: [3, 'the mesh has problems, asks for what is not supported, or cannot be read'],
  start: [4, 'cannot start: a capability, module, device or the addon is missing, or its socket or address is taken'],
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

/** By code; of all other errors something is missing that a start needs. */
const exits: Readonly<Record<string, Exit>> = {
  ERR_FLATPROXY_FILE: 'mesh',
  ERR_FLATPROXY_CONTROL: 'control',
  ERR_FLATPROXY_CAPTURE: 'failed',
  ERR_FLATPROXY_CLOSED: 'failed',
  ERR_FLATPROXY_ARGUMENT: 'failed',
  ERR_FLATPROXY_INTERNAL: 'failed',
}

/** How the process ends after an error. */
export function exitOf(error: unknown): Exit {
  if (error instanceof UsageError) return 'usage'
  if (error instanceof MeshError || error instanceof UnsupportedError) return 'mesh'
  return error instanceof FlatProxyError ? (exits[error.code] ?? 'start') : 'failed'
}
