// Build steps that run only when an input is newer than their last success.
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './sources.mjs'

// The files and folders below `folder`; a folder's own time tells of a file that was added or removed.
export function filesUnder(folder) {
  const top = join(root, folder)
  if (!existsSync(top)) return []
  return [folder, ...readdirSync(top, { recursive: true }).map((name) => join(folder, name))]
}

export function isStale(output, inputs) {
  if (!existsSync(join(root, output))) return true
  const built = statSync(join(root, output)).mtimeMs
  return inputs.some((input) => existsSync(join(root, input)) && statSync(join(root, input)).mtimeMs > built)
}

// Runs `action` when an output is missing or an input is newer than the last start of a run that succeeded: what is
// edited meanwhile, and what an aborted run left, is built the next time.
export async function step(name, { outputs, inputs }, action) {
  const stamp = join('build/stamps', name)
  if (outputs.every((output) => existsSync(join(root, output))) && !isStale(stamp, inputs)) return false
  const started = new Date()
  await action()
  mkdirSync(dirname(join(root, stamp)), { recursive: true })
  writeFileSync(join(root, stamp), '')
  utimesSync(join(root, stamp), started, started)
  return true
}
