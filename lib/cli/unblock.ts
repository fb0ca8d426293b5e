import { loadAddon, nativeError } from '../native.js'
import { paint, print, type Command } from './command.js'

export const unblock: Command = {
  name: 'unblock',
  usage: 'unblock IFACE',
  summary: "let traffic pass again where an iface port with onExit: 'block' has ended",
  help: `An iface port with \`onExit: block\` leaves a program behind that drops everything, so that nothing passes unseen when the
proxy has died. This removes it: the kernel has the interface back. A proxy that starts with the port removes it too.

Example
  sudo flatproxy unblock eth0

Exit codes: 0 traffic passes (also when nothing was blocked), 4 a capability is missing.`,
  options: {},
  positionals: 1,
  async run(_, [name]) {
    const blocked = unblockInterface(name!)
    print(blocked ? `${paint.green('unblocked')} ${name}` : `${name} was not blocked`)
    return 'ok'
  },
}

/** Removes what keeps the traffic of an interface; false: there was nothing. */
function unblockInterface(name: string): boolean {
  try {
    return loadAddon().unblock(name) > 0
  } catch (error) {
    throw nativeError(error)
  }
}
