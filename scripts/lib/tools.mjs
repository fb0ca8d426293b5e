// Where tools and headers are on this machine.
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const extraPath = ['/usr/sbin', '/sbin', '/usr/local/sbin']

export function findProgram(name) {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...extraPath]) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

// Ubuntu's /usr/sbin/bpftool is a wrapper that fails when the running kernel's own package is absent; the tool is here.
export function findBpftool() {
  const tools = '/usr/lib/linux-tools'
  const versions = existsSync(tools) ? readdirSync(tools).sort().reverse() : []
  const packaged = versions.map((version) => join(tools, version, 'bpftool')).find(existsSync)
  return packaged ?? findProgram('bpftool')
}

// The pinned one of the npm package: releases of clang-format differ in what they print.
export function clangFormat() {
  const path = fileURLToPath(
    new URL(`../../node_modules/clang-format/bin/linux_${process.arch}/clang-format`, import.meta.url),
  )
  return existsSync(path) ? path : undefined
}
