import { fileURLToPath } from 'node:url'
import { FlatProxyError, MeshError } from '../errors.js'
import { checkMesh } from './check.js'
import type { Mesh } from './types.js'
import { readText, YamlText } from './yaml-text.js'

/**
 * Reads a mesh from a YAML or JSON file, and checks it. Parsing holds the event loop, about 1 ms for each kilobyte.
 *
 * @param path a path, or a `file:` URL
 * @throws {@link MeshError} with all problems, each with file, line and column; `ERR_FLATPROXY_FILE` when the file
 *   cannot be read; `AbortError` when the signal is aborted
 */
export async function loadMesh(path: string | URL, options: { signal?: AbortSignal } = {}): Promise<Mesh> {
  const file = nameOf(path)
  return parseMesh(await readText(file, options.signal), file)
}

/**
 * Reads a mesh from the text of a YAML or JSON file, and checks it.
 *
 * @param file the name that problems tell
 * @throws {@link MeshError} with all problems, each with line and column
 */
export function parseMesh(text: string, file?: string): Mesh {
  const source = new YamlText(text, file)
  const [document, second] = source.documents
  if (second) source.problem('more than one document', 'one document', second.range[0])
  if (!document && source.problems.length === 0) source.problem('the file is empty', 'a mesh', 0)
  const value = document && source.problems.length === 0 ? source.value(document) : undefined
  if (source.problems.length > 0) throw new MeshError(source.problems)
  const problems = checkMesh(value).map((problem) => source.located(problem, document!))
  if (problems.length > 0) throw new MeshError(problems)
  return value as Mesh
}

function nameOf(path: string | URL): string {
  if (typeof path === 'string') return path
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path)
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `a mesh is read from a file, not from ${String(path)}`)
}
