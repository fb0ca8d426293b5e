import { readFile, stat } from 'node:fs/promises'
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
import { limits } from './limits.js'
import type { Path, Problem } from './problem.js'

/** The text of a YAML or JSON file: its documents, their values, and where in them a path stands. */
export class YamlText {
  readonly documents: readonly Document.Parsed[]
  /** What is wrong with it as YAML. */
  readonly problems: Problem[] = []
  private readonly lines = new LineCounter()

  constructor(
    text: string,
    readonly file: string | undefined,
  ) {
    this.documents = this.parse(text)
    for (const { errors } of this.documents)
      for (const { message, pos } of errors) this.problem(message.split('\n')[0]!, 'YAML 1.2', pos[0])
  }

  problem(message: string, expected: string, offset: number): void {
    this.problems.push(this.at({ path: [], message, expected }, offset))
  }

  /** The value of a document. */
  value(document: Document.Parsed): unknown {
    try {
      return document.toJS({ maxAliasCount: limits.fileAliases })
    } catch (error) {
      this.problem((error as Error).message, `anchors that exist, used at most ${limits.fileAliases} times`, 0)
      return undefined
    }
  }

  /** The problem with its file, line and column: of the value, of the key when it is unknown, else of what is around it. */
  located(problem: Problem, document: Document.Parsed): Problem {
    return this.at(problem, offsetOf(document, problem.path))
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
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [index, key] of path.entries()) {
    const holder = isAlias(node) ? node.resolve(document) : node
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

function startOf(node: unknown): number | undefined {
  return (node as Node | undefined)?.range?.[0]
}

/**
 * The text of a file, in UTF-8.
 *
 * @throws `ERR_FLATPROXY_FILE` when it cannot be read; {@link MeshError} when it is too large, or no text
 */
export async function readText(file: string, signal?: AbortSignal): Promise<string> {
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
