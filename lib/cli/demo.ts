import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { FlatProxyError } from '../errors.js'
import { readMachine } from '../doctor/machine.js'
import { hasBpf } from '../doctor/checks.js'
import { oneOf, type Command, type Values } from './command.js'
import type { Joint } from './demo/town.js'
import { exitCodes, type Exit } from './exit.js'

export const demo: Command = {
  name: 'demo',
  usage: 'demo [--keep] [--port iface|tap]',
  summary: 'real traffic through flatproxy, in namespaces of its own; takes some 20 seconds',
  help: `Makes network namespaces as a container runtime lays them, with a client (curl) and HTTP servers in them, puts flatproxy
between them, and shows connections being balanced, a server drained and another one added while requests go on; then
requests routed by path and by weight, fields rewritten, a retry around a server that is killed, and latencies. Ends with
a summary. Nothing outside of its namespaces is touched, and nothing remains, however it ends.

As root it uses iface ports on veth pairs; without root, in a user namespace, where eBPF may not be loaded, tap ports.

Options
  --keep        stays up until Ctrl-C, and says what to type
  --port KIND   iface or tap, instead of what fits

Examples
  flatproxy demo
  npm run demo -- --keep

Exit codes: 0 all went well, 1 a request failed, 4 namespaces or ports cannot be had here.`,
  options: { keep: { type: 'boolean' }, port: { type: 'string' } },
  positionals: 0,
  async run(values) {
    needPrograms()
    const { unshare, joint } = await chooseStage(oneOf(values, 'port', ['iface', 'tap'], 'demo'))
    const interrupted = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
    removeLeftovers()
    const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
    try {
      return await play([...unshare, '--fork', '--kill-child'], joint, folder, values, interrupted.signal)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

const prefix = 'flatproxy-demo-'

function needPrograms(): void {
  const packages = { curl: 'curl', ip: 'iproute2', mount: 'mount', nsenter: 'util-linux', unshare: 'util-linux' }
  const missing = Object.entries(packages).filter(([program]) => !isProgram(program))
  if (missing.length === 0) return
  const names = new Set(missing.map(([, name]) => name))
  throw new FlatProxyError(
    'ERR_FLATPROXY_PLATFORM',
    `the demo needs ${missing.map(([program]) => program).join(', ')}`,
    {
      remedy: `apt-get install ${[...names].join(' ')}`,
    },
  )
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

interface Stage {
  readonly unshare: readonly string[]
  readonly joint: Joint
}

/** Namespaces that can be had here, and the ports that can be opened in them. */
async function chooseStage(wanted: Joint | undefined): Promise<Stage> {
  const stages: Stage[] = [
    { unshare: ['--net', '--mount', '--pid'], joint: hasBpf(await readMachine()) ? 'iface' : 'tap' },
    { unshare: ['--user', '--map-root-user', '--net', '--mount', '--pid'], joint: 'tap' },
  ]
  let said = ''
  for (const { unshare, joint } of stages) {
    const probe = spawnSync('unshare', [...unshare, '--fork', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' })
    if (probe.status === 0) return { unshare, joint: wanted ?? joint }
    said = probe.stderr.trim() || `unshare: ${probe.error?.message ?? `exit code ${probe.status}`}`
  }
  throw new FlatProxyError('ERR_FLATPROXY_PERMISSION', `namespaces cannot be made here: ${said}`, {
    remedy:
      'Run it as root. Ubuntu 24.04 lets users do it after: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  })
}

/** Removes the folders of demos that were killed; their namespaces and processes have ended with them. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : NaN
    if (pid > 0 && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Runs the demo inside. Its first process holds all of it: the kernel ends the namespaces with it. It ends when its
 * lifeline does, so also when we are killed; the one that we ask in vain is killed.
 */
async function play(
  unshare: readonly string[],
  joint: Joint,
  folder: string,
  values: Values,
  interrupted: AbortSignal,
): Promise<Exit> {
  const flags = [values['keep'] && '--keep', unshare.includes('--user') && '--user'].filter(
    (flag) => typeof flag === 'string',
  )
  const inside = [join(__dirname, 'demo/inside.js'), '--joint', joint, '--control', join(folder, 'control.sock')]
  const child = spawn('unshare', [...unshare, process.execPath, ...inside, ...flags], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const lifeline = child.stdio[3] as NodeJS.WritableStream
  lifeline.on('error', () => {})
  const stop = () => {
    lifeline.end()
    setTimeout(() => child.kill('SIGKILL'), patience).unref()
  }
  interrupted.addEventListener('abort', stop, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  const exit = Object.entries(exitCodes).find(([, [value]]) => value === code)
  return (exit?.[0] ?? 'failed') as Exit
}

/** Milliseconds that the demo is given to end by itself. */
const patience = 3_000
