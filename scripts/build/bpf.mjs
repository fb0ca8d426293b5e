// Compiles the eBPF programs of native/sources.txt (group bpf) and turns each into build/generated/NAME.skel.h, a light
// skeleton that needs only libc. Does nothing for what is newer than every file of native/bpf. Called by binding.gyp and CMake.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findBpftool } from '../lib/tools.mjs'
import { nativeSources, root } from '../lib/sources.mjs'

const folder = join(root, 'build/generated')
const multiarch = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch]
const newest = (paths) => Math.max(0, ...paths.map((path) => statSync(path).mtimeMs))

function run(command, args) {
  try {
    return execFileSync(command, args, { cwd: root, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}\n${error.stderr ?? error.message}`, { cause: error })
  }
}

// -mcpu=v3 is the newest instruction set that kernel 5.15 takes.
function compile(source, object) {
  const include = ['-Inative', `-I/usr/include/${multiarch}`]
  run('clang', ['-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', ...include, '-c', source, '-o', object])
}

function buildSkeleton(source) {
  if (!source.endsWith('.bpf.c')) throw new Error(`native/sources.txt: group bpf takes NAME.bpf.c, not ${source}`)
  const name = basename(source, '.bpf.c')
  const object = join(folder, `${name}.${process.pid}.o`)
  const header = join(folder, `${name}.skel.h`)
  try {
    compile(source, object)
    // No name of its own would make bpftool derive one from the temporary object's.
    const text = run(findBpftool(), ['gen', 'skeleton', '-L', object, 'name', name.replace(/\W/g, '_')])
    if (existsSync(header) && readFileSync(header).equals(text)) return
    writeFileSync(`${header}.${process.pid}`, text)
    renameSync(`${header}.${process.pid}`, header)
  } finally {
    rmSync(object, { force: true })
  }
}

export function buildBpf() {
  const sources = nativeSources('bpf')
  const stamp = join(folder, 'bpf.stamp')
  const inputs = [join(root, 'native/sources.txt'), fileURLToPath(import.meta.url)]
  const bpfFolder = join(root, 'native/bpf')
  if (existsSync(bpfFolder)) inputs.push(...readdirSync(bpfFolder).map((name) => join(bpfFolder, name)))
  const skeletons = sources.map((source) => join(folder, `${basename(source, '.bpf.c')}.skel.h`))
  if (existsSync(stamp) && skeletons.every(existsSync) && statSync(stamp).mtimeMs >= newest(inputs)) return
  mkdirSync(folder, { recursive: true })
  for (const source of sources) buildSkeleton(source)
  writeFileSync(stamp, '')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildBpf()
