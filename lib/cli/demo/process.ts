import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { FlatProxyError } from '../../errors.js'

/** Runs a program to its end, with `input`; what it says is part of the error when it fails. */
export async function runProgram(program: string, args: readonly string[], input = ''): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  child.stdin.on('error', () => {}) // it may end before it has read all
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return
  const command = [program, ...args].join(' ')
  throw new FlatProxyError('ERR_FLATPROXY_PERMISSION', `${command} failed: ${said.trim() || `exit code ${code}`}`, {
    remedy: 'Run the demo as root, or as a user who may make user namespaces; flatproxy doctor says more.',
  })
}

/** Starts a program in a container's network namespace. */
export function spawnIn(
  container: { readonly name: string },
  program: string,
  args: readonly string[],
): ChildProcessByStdio<null | Writable, Readable, Readable> {
  const inside = [`--net=/run/netns/${container.name}`, program, ...args]
  return spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Ends a program that we started, at once. */
export function end(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
}
