// A --nodedir for node-gyp that needs neither a download nor an installed node-dev: the addon compiles against the
// node-api-headers package, so gyp only needs a common.gypi to include.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../lib/sources.mjs'

const commonGypi = `{
  'variables': { 'configuring_node%': 0, 'visibility%': 'hidden', 'enable_lto%': 'false', 'openssl_fips%': '' },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': { 'Release': {}, 'Debug': {} },
    'ldflags': ['-pthread'],
  },
}
`

export function nodeDir() {
  const folder = join(root, 'build/nodedir')
  const include = join(folder, 'include/node')
  if (!existsSync(join(include, 'config.gypi'))) {
    mkdirSync(include, { recursive: true })
    writeFileSync(join(include, 'common.gypi'), commonGypi)
    writeFileSync(join(include, 'config.gypi'), "{ 'target_defaults': {}, 'variables': {} }\n")
  }
  return folder
}
