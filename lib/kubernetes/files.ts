import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FlatProxyError } from '../errors.js'

/**
 * The files that are meant, each once: in the order of the patterns, and of their names within one. A pattern may have `*`
 * in the last part of its path, for any characters; it stands for no name that begins with a dot.
 *
 * @throws `ERR_FLATPROXY_FILE` when a pattern stands for no file
 */
export async function expandFiles(patterns: string | readonly string[]): Promise<string[]> {
  const files = new Set<string>()
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns)
    for (const file of pattern.includes('*') ? await expand(pattern) : [pattern]) files.add(file)
  return [...files]
}

async function expand(pattern: string): Promise<string[]> {
  const slash = pattern.lastIndexOf('/')
  const folder = pattern.slice(0, slash + 1)
  if (folder.includes('*'))
    throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `${pattern}: only the last part of a path may have '*' in it`)
  const parts = pattern
    .slice(slash + 1)
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const expression = new RegExp(`^(?!\\.)${parts.join('.*')}$`)
  const names = await entriesOf(folder || '.')
  const found = names.filter((name) => expression.test(name)).sort()
  if (found.length === 0) throw new FlatProxyError('ERR_FLATPROXY_FILE', `${pattern}: no such file`)
  return found.map((name) => (folder === '' ? name : join(folder, name)))
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    throw new FlatProxyError('ERR_FLATPROXY_FILE', `cannot read ${folder}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
