import { doctor } from '../doctor/doctor.js'
import { paint, print, type Command } from './command.js'

export const doctorCommand: Command = {
  name: 'doctor',
  usage: 'doctor [--json]',
  summary: 'what this machine can carry, and how to get what is missing',
  help: `Looks at platform, kernel, capabilities, devices, drivers and limits. Changes nothing, needs no privilege; run it as
the user who is to run the proxy, since capabilities are his.

Options
  --json   as JSON

Examples
  flatproxy doctor
  sudo flatproxy doctor
  flatproxy doctor --json | jq '.checks[] | select(.ok | not)'

Exit codes: 0 flatproxy can run here (some ports may still be missing something), 4 it cannot.`,
  options: { json: { type: 'boolean' } },
  positionals: 0,
  async run({ json }) {
    const diagnosis = await doctor()
    if (json) print(JSON.stringify(diagnosis, undefined, 2))
    else {
      const width = Math.max(...diagnosis.checks.map(({ name }) => name.length))
      for (const { name, ok, detail, remedy } of diagnosis.checks) {
        print(`${ok ? paint.green('ok     ') : paint.yellow('missing')} ${name.padEnd(width)}  ${detail}`)
        if (remedy !== undefined) print(`${' '.repeat(width + 10)}${paint.cyan('get it:')} ${remedy}`)
      }
      print('', diagnosis.supported ? paint.green('flatproxy can run here.') : paint.red('flatproxy cannot run here.'))
    }
    return diagnosis.supported ? 'ok' : 'start'
  },
}
