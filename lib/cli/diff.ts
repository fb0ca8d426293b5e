import { diff as compare } from '../mesh/diff.js'
import { loadMesh } from '../mesh/yaml.js'
import { paint, print, type Command } from './command.js'

const paints = { added: paint.green, removed: paint.red, changed: paint.yellow } as const

export const diff: Command = {
  name: 'diff',
  usage: 'diff A B [--json]',
  summary: 'what is different between two meshes, in words',
  help: `Says what is to be added, removed or changed in mesh A to make it mesh B. Files are YAML or JSON. What order they are
written in does not matter, but for policies, routes and rules, whose order has a meaning.

Options
  --json   as JSON, one change a line

Example
  flatproxy diff mesh.yaml mesh.new.yaml

Exit codes: 0 whether there are differences or not, 3 a mesh has problems.`,
  options: { json: { type: 'boolean' } },
  positionals: 2,
  async run(values, [from, to]) {
    const changes = compare(await loadMesh(from!), await loadMesh(to!))
    for (const change of changes) {
      const { path, kind } = change
      if (values['json']) print(JSON.stringify({ path, kind, change: change.toString() }))
      else print(paints[kind](change.toString()))
    }
    if (changes.length === 0 && !values['json']) print('no difference')
    return 'ok'
  },
}
