import { readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Node,
  type YAMLParseError,
} from 'yaml'
import { FlatProxyError, MeshError } from '../errors.js'
import { checkMesh } from './check.js'
import { limits } from './limits.js'
import type { Problem } from './problem.js'
import type { Mesh } from './types.js'

/**
 * Reads a mesh from a YAML or JSON file, and checks it. Parsing holds the event loop, about 1 ms for each kilobyte.
 *
 * @param path a path, or a `file:` URL
 * @throws {@link MeshError} with all problems, each with file, line and column; `ERR_FLATPROXY_FILE` when the file
 *   cannot be read; `AbortError` when the signal is aborted
 */
export async function loadMesh(path: string | URL, options: { signal?: AbortSignal } = {}): Promise<Mesh> {
  const file = nameOf(path)
  return parseMesh(await readMesh(file, options.signal), file)
}

/**
 * Reads a mesh from the text of a YAML or JSON file, and checks it.
 *
 * @param file the name that problems tell
 * @throws {@link MeshError} with all problems, each with line and column
 */
export function parseMesh(text: string, file?: string): Mesh {
  const lines = new LineCounter()
  const source = new Source(text, lines, file)
  const value = source.value()
  const problems =
    source.problems.length > 0 ? source.problems : checkMesh(value).map((problem) => source.located(problem))
  if (problems.length > 0) throw new MeshError(problems)
  return value as Mesh
}

function nameOf(path: string | URL): string {
  if (typeof path === 'string') return path
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path)
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `a mesh is read from a file, not from ${String(path)}`)
}

async function readMesh(file: string, signal: AbortSignal | undefined): Promise<string> {
  signal?.throwIfAborted()
  try {
    // A FIFO or /dev/stdin has no size; what it gives is measured below.
    if ((await stat(file)).size > limits.fileBytes) throw tooLarge(file)
    const bytes = await readFile(file, { signal })
    if (bytes.length > limits.fileBytes) throw tooLarge(file)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (error instanceof FlatProxyError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new MeshError([{ path: [], message: 'the file is not UTF-8', expected: 'a text file in UTF-8', file }])
    throw new FlatProxyError('ERR_FLATPROXY_FILE', `cannot read ${file}: ${(error as Error).message}`, { cause: error })
  }
}

function tooLarge(file: string): MeshError {
  const expected = `at most ${limits.fileBytes} bytes`
  return new MeshError([{ path: [], message: `the file is larger than ${limits.fileBytes} bytes`, expected, file }])
}

/** The text of a mesh: its value, and where in it a path stands. */
class Source {
  readonly problems: Problem[] = []
  private readonly document: Document | undefined

  constructor(
    text: string,
    private readonly lines: LineCounter,
    private readonly file: string | undefined,
  ) {
    const documents = this.parse(text)
    if (documents.length > 1) this.problem('more than one document', 'one document', documents[1]!.range[0])
    if (documents.length === 0 && this.problems.length === 0) this.problem('the file is empty', 'a mesh', 0)
    this.document = documents[0]
    for (const { message, pos } of this.document?.errors ?? [])
      this.problem(message.split('\n')[0]!, 'YAML 1.2', pos[0])
  }

  value(): unknown {
    if (!this.document || this.problems.length > 0) return undefined
    try {
      return this.document.toJS({ maxAliasCount: limits.fileAliases })
    } catch (error) {
      this.problem((error as Error).message, `anchors that exist, used at most ${limits.fileAliases} times`, 0)
      return undefined
    }
  }

  /** The problem with its file, line and column: of the value, of the key when it is unknown, else of what is around it. */
  located(problem: Problem): Problem {
    return this.at(problem, this.offsetOf(problem.path))
  }

  private parse(text: string): Document.Parsed[] {
    try {
      const documents = parseAllDocuments(text, { lineCounter: this.lines, prettyErrors: false, logLevel: 'silent' })
      return Array.isArray(documents) ? (documents as Document.Parsed[]) : []
    } catch (error) {
      // The composer recurses: nesting that exhausts the stack ends here.
      const message = error instanceof RangeError ? 'nested too deeply' : (error as YAMLParseError).message
      this.problem(message, `at most ${limits.depth} levels`, 0)
      return []
    }
  }

  private problem(message: string, expected: string, offset: number): void {
    this.problems.push(this.at({ path: [], message, expected }, offset))
  }

  private at(problem: Problem, offset: number): Problem {
    const { line, col } = this.lines.linePos(offset)
    return {
      ...problem,
      ...(this.file !== undefined && { file: this.file }),
      line: Math.max(line, 1),
      column: Math.max(col, 1),
    }
  }

  private offsetOf(path: Problem['path']): number {
    let node: unknown = this.document?.contents
    let offset = startOf(node) ?? 0
    for (const [index, key] of path.entries()) {
      const holder = isAlias(node) ? node.resolve(this.document!) : node
      if (isSeq(holder)) node = holder.items[key as number]
      else if (isMap(holder)) {
        const pair = holder.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
        // A value that is an object starts on its own line; its key is where a reader looks.
        node = pair?.value
        const scalar = isScalar(node) && node.value !== null && index === path.length - 1
        offset = startOf(scalar ? node : pair?.key) ?? offset
        continue
      } else return offset
      offset = startOf(node) ?? offset
    }
    return offset
  }
}

function startOf(node: unknown): number | undefined {
  return (node as Node | undefined)?.range?.[0]
}
