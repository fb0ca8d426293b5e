import { loadMesh } from '../mesh/yaml.js'
import { unsupported } from '../mesh/unsupported.js'
import { UnsupportedError } from '../errors.js'
import { paint, print, type Command } from './command.js'
import { describeMesh } from './describe-mesh.js'

export const check: Command = {
  name: 'check',
  usage: 'check MESH',
  summary: 'check a mesh (YAML or JSON); needs no privilege',
  help: `Checks a mesh and tells all its problems at once, each with line and column, what was expected, and a hint.
Nothing is opened or started; it works on every platform.

Examples
  flatproxy check mesh.yaml
  flatproxy check mesh.yaml && kill -HUP $PID     # apply only what is sound

Exit codes: 0 the mesh is sound, 3 it is not.`,
  options: {},
  positionals: 1,
  async run(_, [file]) {
    const mesh = await loadMesh(file!)
    const problems = unsupported(mesh)
    if (problems.length > 0) throw new UnsupportedError(problems.map((problem) => ({ ...problem, file: file! })))
    print(`${paint.green('ok')} ${file}: ${describeMesh(mesh)}`)
    return 'ok'
  },
}
