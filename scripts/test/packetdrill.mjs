// The project's own scripts under packetdrill, if it is on the PATH. In any case the library must build, and show one
// entry and nothing else. Under packetdrill it runs as it would for anyone: in a network namespace of its own.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { buildPacketdrill } from '../build/packetdrill.mjs'
import { collect } from '../lib/process.mjs'
import { root } from '../lib/sources.mjs'
import { findProgram } from '../lib/tools.mjs'

const folder = join(root, 'test/packetdrill/scripts')
const timeout = 60_000

const scripts = () =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.pkt'))
    .sort()

function checkSymbols(library) {
  const symbols = execFileSync('nm', ['-D', '--defined-only', library], { encoding: 'utf8' })
  const shown = symbols
    .trim()
    .split('\n')
    .map((line) => line.split(' ').at(-1))
  if (shown.join() !== 'packetdrill_interface_init') throw new Error(`exports ${shown.join(', ')}`)
}

export async function packetdrill(report) {
  let library
  const built = await report.attempt('libflatproxy_packetdrill.so exports one symbol', async () => {
    library = await buildPacketdrill()
    checkSymbols(library)
  })
  if (!built) return
  const program = findProgram('packetdrill')
  if (!program)
    return report.skip('packetdrill', 'packetdrill is not on the PATH; the same scripts run as TcpScript tests')
  for (const script of scripts()) {
    const path = join(folder, script)
    await report.attempt(`packetdrill ${relative(root, path)}`, async () => {
      const command = [program, '--ip_version=ipv4', `--so_filename=${library}`, path]
      const isolated = ['unshare', ['-Urnm', ...command]]
      const { code, signal, timedOut, output } = await collect(...isolated, { timeout })
      if (code !== 0) throw new Error(timedOut ? 'timed out' : `${signal ?? `exit code ${code}`}\n${output.trimEnd()}`)
    })
  }
}
