// Running other programs from the scripts.
import { spawn, spawnSync } from 'node:child_process'
import { root } from './sources.mjs'

export class CommandError extends Error {
  constructor(command, reason, output) {
    super(`${command}: ${reason}${output ? `\n${output}` : ''}`)
  }
}

// Runs to the end with the terminal's own streams; throws when it fails.
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error || status !== 0) throw new CommandError(command, error?.message ?? signal ?? `exit code ${status}`)
}

// Runs with output collected: { code, signal, output, timedOut }. Past `timeout` (ms) the whole process group is killed.
export function collect(command, args, { timeout = 0, env, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const killGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It is gone already.
      }
    }
    const forward = (signal) => {
      killGroup()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    }
    let timedOut = false
    const timer = timeout && setTimeout(() => ((timedOut = true), killGroup()), timeout)
    process.once('SIGINT', forward).once('SIGTERM', forward)
    const chunks = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
    const settle = () => {
      clearTimeout(timer)
      process.off('SIGINT', forward).off('SIGTERM', forward)
    }
    child.once('error', (error) => (settle(), reject(error)))
    child.once('close', (code, signal) => {
      settle()
      resolve({ code, signal, timedOut, output: Buffer.concat(chunks).toString() })
    })
  })
}

// The same, quiet unless it fails.
export async function runQuiet(command, args, options) {
  const { code, signal, timedOut, output } = await collect(command, args, options)
  if (code !== 0)
    throw new CommandError(command, timedOut ? 'timed out' : (signal ?? `exit code ${code}`), output.trimEnd())
  return output
}
