import { connectControl } from '../control/client.js'
import { oneOf, paint, print, wholeNumber, type Command } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { printFlows, printFlowsJson } from './flow-lines.js'

const texts = ['service', 'workload', 'protocol', 'verdict'] as const
const tiers = ['nic', 'kernel', 'lane', 'l7', 'js'] as const

export const flows: Command = {
  name: 'flows',
  usage: 'flows [--control PATH] [--service NAME] [--limit N] [--json]',
  summary: 'the flow table of a proxy that runs',
  help: `Lists flows: who speaks to whom, by which service and endpoint, how much, in which state.

Options
${controlHelp}
  --service NAME   flows of this service
  --workload NAME  flows from or to this workload
  --protocol NAME  tcp, udp or icmp
  --verdict NAME   flows with this verdict. Those that were refused within the last half minute are listed by drop and reject
  --tier NAME      flows that this tier carries: nic, kernel, lane, l7, js
  --limit N        at most so many. Default: 100; 0: all
  --json           as JSON, one flow a line

Examples
  flatproxy flows
  flatproxy flows --service shop --limit 20
  flatproxy flows --limit 0 --json | jq -s 'group_by(.endpoint) | map({ (.[0].endpoint // "-"): length })'

Exit codes: 0, 5 no proxy answers at the control socket.`,
  options: {
    ...controlOption,
    ...Object.fromEntries([...texts, 'tier', 'limit'].map((name) => [name, { type: 'string' as const }])),
    json: { type: 'boolean' },
  },
  positionals: 0,
  async run(values) {
    const limit = wholeNumber(values, 'limit', [0, 2 ** 32], 'flows') ?? 100
    const tier = oneOf(values, 'tier', tiers, 'flows')
    const filter = Object.fromEntries(
      texts.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])),
    )
    await using view = await connectControl(controlPath(values))
    const listed = view.flows({ ...filter, ...(tier && { tier }), ...(limit > 0 && { limit }) })
    if (values['json']) return (await printFlowsJson(listed), 'ok')
    const total = await printFlows(listed, Date.now())
    const more = total === limit ? ' (there may be more: --limit)' : ''
    print(paint.dim(`${total} flow${total === 1 ? '' : 's'}${more}`))
    return 'ok'
  },
}
