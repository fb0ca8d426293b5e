#!/usr/bin/env node
// What prebuildify runs as node-gyp: see prebuild.mjs.
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../lib/sources.mjs'

mkdirSync('build/Release', { recursive: true })
copyFileSync(join(root, 'build/Release/flatproxy.node'), 'build/Release/flatproxy.node')
