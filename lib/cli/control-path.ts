import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Values } from './command.js'

/**
 * Where the control socket is when no --control says so: FLATPROXY_CONTROL; for root in /run; for others in their
 * XDG_RUNTIME_DIR, or in the folder for temporary files under a name with their user id.
 */
export function controlPath(values: Values): string {
  const { FLATPROXY_CONTROL, XDG_RUNTIME_DIR } = process.env
  const given = values['control'] ?? FLATPROXY_CONTROL
  if (typeof given === 'string' && given !== '') return given
  const user = process.geteuid?.() ?? 0
  if (user === 0) return '/run/flatproxy.sock'
  if (XDG_RUNTIME_DIR && existsSync(XDG_RUNTIME_DIR)) return join(XDG_RUNTIME_DIR, 'flatproxy.sock')
  return join(tmpdir(), `flatproxy-${user}.sock`)
}

export const controlOption = { control: { type: 'string' } } as const
export const controlHelp = `  --control PATH   the control socket of the proxy. Default: $FLATPROXY_CONTROL, or
                   /run/flatproxy.sock for root, $XDG_RUNTIME_DIR/flatproxy.sock for others`
