import { mkdir } from 'node:fs/promises'
import { runProgram } from './process.js'
import { gateway, vethOf, type Container, type Joint } from './town.js'

/**
 * Makes the names of network namespaces our own. We are in a mount namespace of ours: nobody else sees it, and it goes
 * with us.
 */
export async function clearStage(): Promise<void> {
  await runProgram('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'flatproxy-demo', '/run'])
  await mkdir('/run/netns', { recursive: true })
  await ip([], ['link set lo up'])
}

/**
 * Makes a container's network: a namespace, and, for an `iface` port, a veth pair with one end in it, an address of its
 * own there, and everything else by way of the gateway. A `tap` port brings device, address and routes itself.
 */
export async function makeContainer(container: Container, joint: Joint): Promise<void> {
  const { name, address } = container
  const veth = vethOf(container)
  const pair = [`link add ${veth} type veth peer name eth0 netns ${name}`, `link set ${veth} up`]
  await ip([], [`netns add ${name}`, ...(joint === 'iface' ? pair : [])])
  const link = [
    `address add ${address}/32 dev eth0`,
    'link set eth0 up',
    `route add ${gateway} dev eth0 scope link`,
    `route add default via ${gateway} dev eth0`,
  ]
  await ip(['-n', name], ['link set lo up', ...(joint === 'iface' ? link : [])])
}

function ip(args: readonly string[], lines: readonly string[]): Promise<void> {
  return runProgram('ip', [...args, '-batch', '-'], `${lines.join('\n')}\n`)
}
