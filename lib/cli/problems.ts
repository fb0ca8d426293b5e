import { FlatProxyError, MeshError, UnsupportedError } from '../errors.js'
import type { Problem } from '../mesh/problem.js'
import { UsageError } from './exit.js'
import type { Paint } from './paint.js'

/** An error in words, for a terminal: what is wrong, where, and what to do about it. */
export function explainError(error: unknown, paint: Paint): string {
  if (error instanceof UsageError) {
    const help = error.command ? `flatproxy ${error.command} --help` : 'flatproxy --help'
    return `${paint.red('error:')} ${error.message}\n${paint.dim(`See ${help}`)}`
  }
  if (error instanceof MeshError || error instanceof UnsupportedError)
    return error.problems.map((problem) => explainProblem(problem, paint)).join('\n')
  if (error instanceof FlatProxyError) {
    const remedy = error.remedy === undefined ? '' : `\n  ${paint.cyan('remedy:')} ${error.remedy}`
    return `${paint.red('error:')} ${error.message} ${paint.dim(`(${error.code})`)}${remedy}`
  }
  return `${paint.red('error:')} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}

/** `mesh.yaml:7:13: services.shop.port: message; expected ...`, with the hint in a line of its own. */
export function explainProblem({ path, message, expected, hint, file, line, column }: Problem, paint: Paint): string {
  const place = file === undefined ? '' : `${[file, line, column].filter((part) => part !== undefined).join(':')}: `
  const where = path.length === 0 ? '' : `${path.join('.')}: `
  const text = `${paint.bold(place)}${paint.yellow(where)}${message}; expected ${expected}`
  return hint === undefined ? text : `${text}\n  ${paint.cyan('hint:')} ${hint}`
}
