import { readlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { release } from 'node:os'
import { parseArgs } from 'node:util'
import { FlatProxy } from '../../proxy/flat-proxy.js'
import { exitCodes, exitOf, type Exit } from '../exit.js'
import { explainError } from '../problems.js'
import { Load } from './load.js'
import { drawTown } from './picture.js'
import { paint, say } from './screen.js'
import { openShop } from './shop.js'
import { clearStage, makeContainer } from './stage.js'
import { Story } from './story.js'
import { client, meshOf, service, shops, type Joint } from './town.js'

/**
 * The demo, in namespaces of its own (user, network, mount, process): all that it makes ends with this process.
 * File descriptor 3 ends when the one who started us does, or wants us to end.
 */
async function main(): Promise<Exit> {
  const { values } = parseArgs({
    options: {
      joint: { type: 'string' },
      control: { type: 'string' },
      keep: { type: 'boolean' },
      user: { type: 'boolean' },
    },
  })
  const joint = values.joint as Joint
  const control = values.control!
  const stop = new AbortController()
  const lifeline = new Socket({ fd: 3 }).on('error', () => stop.abort()).on('end', () => stop.abort())
  lifeline.resume().unref()
  process.on('SIGINT', () => {}).on('SIGTERM', () => {}) // who started us hears them too
  process.stdout.on('error', () => stop.abort())

  say(`${paint.bold('flatproxy demo')}  ${paint.dim(headline(joint))}`, '')
  const opening = shops.slice(0, 2)
  await clearStage()
  await Promise.all([client, ...opening].map((container) => makeContainer(container, joint)))
  const [proxy, ...opened] = await Promise.all([
    FlatProxy.start({ mesh: meshOf(joint, opening), control, signal: stop.signal }),
    ...opening.map(openShop),
  ])
  say(...drawTown(joint, opening, paint))
  const story = new Story(proxy, joint, opened, new Load(), stop.signal)
  const good = await story.tell()
  if (values.keep) await keep(values.user === true, control, stop.signal)
  await proxy.close()
  return good ? 'ok' : 'failed'
}

function headline(joint: Joint): string {
  const how = joint === 'iface' ? 'iface ports on veth pairs' : 'tap ports (eBPF may not be loaded here)'
  return `${how}, Linux ${release()}, Node ${process.version}`
}

/** Leaves everything up until it is interrupted. @param ofUser in a user namespace, made without root */
async function keep(ofUser: boolean, control: string, signal: AbortSignal): Promise<void> {
  // Our number in the process namespace of who reads this: /proc is still the one of outside.
  const me = readlinkSync('/proc/self')
  const enter = ofUser ? `nsenter -U --preserve-credentials -t ${me}` : 'sudo nsenter'
  const inClient = `${enter} --net=/proc/${me}/root/run/netns/${client.name}`
  const sudo = ofUser ? '' : 'sudo '
  say(
    '',
    paint.bold('It stays up until Ctrl-C. In another terminal:'),
    `  ${inClient} curl http://${service.address}/`,
    `  ${inClient} bash`,
    `  ${sudo}flatproxy flows --control ${control}`,
    `  ${sudo}flatproxy stats --watch --control ${control}`,
  )
  await new Promise<void>((done) => {
    const hold = setInterval(() => {}, 1 << 30)
    signal.addEventListener('abort', () => (clearInterval(hold), done()), { once: true })
  })
}

function finish(exit: Exit): never {
  process.exit(exitCodes[exit][0])
}

main().then(finish, (error: Error) => {
  if (error.name === 'AbortError') finish('interrupted')
  say('', explainError(error, paint))
  finish(exitOf(error))
})
