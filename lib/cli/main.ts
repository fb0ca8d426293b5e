#!/usr/bin/env node
import { version } from '../version.js'
import { benchCommand } from './bench.js'
import { capture } from './capture.js'
import { check } from './check.js'
import { paint, parse, print, type Command } from './command.js'
import { demo } from './demo.js'
import { diff } from './diff.js'
import { doctorCommand } from './doctor.js'
import { exitCodes, exitOf, UsageError, type Exit } from './exit.js'
import { explain } from './explain.js'
import { flows } from './flows.js'
import { painter } from './paint.js'
import { explainError } from './problems.js'
import { replay } from './replay.js'
import { run } from './run.js'
import { stats } from './stats.js'
import { top } from './top.js'
import { unblock } from './unblock.js'

const commands: readonly Command[] = [
  demo,
  doctorCommand,
  check,
  diff,
  run,
  stats,
  flows,
  top,
  explain,
  capture,
  replay,
  unblock,
  benchCommand,
]

async function main(args: readonly string[]): Promise<Exit> {
  const [first, ...rest] = args
  if (first === '--version' || first === '-V') return (print(`flatproxy ${version}`), 'ok')
  if (first === undefined) throw new UsageError('a command is missing')
  if (first === '--help' || first === '-h' || first === 'help') return help(rest[0])
  const command = commands.find(({ name }) => name === first)
  if (!command) throw new UsageError(`no such command: ${first} (${commands.map(({ name }) => name).join(', ')})`)
  const { values, positionals } = parse(command, rest)
  return values['help'] ? help(command.name) : command.run(values, positionals)
}

function help(name?: string): Exit {
  if (name === undefined) return (print(overview()), 'ok')
  const command = commands.find((command) => command.name === name)
  if (!command) throw new UsageError(`no such command: ${name}`)
  print(`${paint.bold(`flatproxy ${command.usage}`)}`, '', command.help.trim())
  return 'ok'
}

function overview(): string {
  const list = commands.map(({ usage, summary }) => `  flatproxy ${usage.split(' [')[0]!.padEnd(15)} ${summary}`)
  const codes = Object.values(exitCodes).map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`)
  return `${paint.bold('flatproxy')} ${version}: the data plane at the entrance of a node's network

${paint.bold('Start here')}
  flatproxy demo            see it carry real traffic, in namespaces of its own
  flatproxy doctor          what this machine can carry, and how to get what is missing

${paint.bold('Commands')}
${list.join('\n')}
  flatproxy COMMAND --help

${paint.bold('Example')}: one service in front of two containers, whose veth ends are veth-a and veth-b
  $ cat mesh.yaml
  ports:
    client: { type: iface, interface: veth-client, own: [169.254.1.1] }
    a: { type: iface, interface: veth-a, own: [169.254.1.1] }
    b: { type: iface, interface: veth-b, own: [169.254.1.1] }
  workloads:
    client: { on: client, addresses: [10.0.1.10] }
    shop-a: { on: a, addresses: [10.0.1.11] }
    shop-b: { on: b, addresses: [10.0.1.12] }
  services:
    shop:
      address: 10.96.0.10
      port: 80
      endpoints: [{ workload: shop-a, port: 8080 }, { workload: shop-b, port: 8080 }]
  $ flatproxy check mesh.yaml
  $ sudo flatproxy run mesh.yaml
  $ sudo flatproxy flows --service shop
  $ sudo kill -HUP $(pidof -x flatproxy)    # mesh.yaml was edited: apply it, running flows stay

${paint.bold('Exit codes')}
${codes.join('\n')}`
}

// Who reads our output may have enough of it before it ends (| head).
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

main(process.argv.slice(2)).then(
  (exit) => (process.exitCode = exitCodes[exit][0]),
  (error: unknown) => {
    process.stderr.write(`${explainError(error, painter(process.stderr))}\n`)
    process.exitCode = exitCodes[exitOf(error)][0]
  },
)
