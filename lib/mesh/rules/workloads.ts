import { formatAddress, parseAddress } from '../address.js'
import { limits } from '../limits.js'
import { quote } from '../names.js'
import type { Problems } from '../problem.js'
import type { Steps } from '../steps.js'
import type { MeshView } from '../view.js'
import { checkPortName } from './forward.js'

/** Workloads: how many, that their ports exist, and that no two have the same address. */
export function* checkWorkloads(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('workloads') && view.sameNames('ports')) return
  const total = view.names('workloads').size
  if (total > limits.workloads)
    problems.add(['workloads'], `${total} workloads`, `at most ${limits.workloads} workloads`)
  const owners = new Map<string, string>()
  let count = 0
  for (const [name, { on, addresses }] of view.entries('workloads')) {
    if (on !== 'host') checkPortName(view, problems, ['workloads', name, 'on'], on)
    for (const [index, text] of addresses.entries()) {
      const address = formatAddress(parseAddress(text)!)
      const owner = owners.get(address)
      if (owner === undefined) owners.set(address, name)
      else
        problems.add(
          ['workloads', name, 'addresses', index],
          `workload ${quote(owner)} has ${address} already`,
          'each address once',
        )
    }
    if (++count % 64 === 0) yield
  }
}
