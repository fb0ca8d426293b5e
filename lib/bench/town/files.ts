import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { FlatProxyError } from '../../errors.js'
import { bodyBytes } from '../cases.js'
import { run } from './programs.js'

/** The folder of this package. */
export const packageRoot: string = join(__dirname, '../../..')

/** A file of bench/, which the package carries. */
export const source = (path: string): string => join(packageRoot, 'bench', path)

/** Where a program is, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']) {
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

/** Debian's packages of what every run needs. */
const programs = {
  ip: 'iproute2',
  nsenter: 'util-linux',
  gcc: 'gcc',
  openssl: 'openssl',
  curl: 'curl',
  nginx: 'nginx-light',
  wrk: 'wrk',
}

/** Refuses to start where something is missing that every run needs. */
export function requirePrograms(): void {
  const missing = Object.entries(programs).filter(([program]) => findProgram(program) === undefined)
  const packages = missing.map(([, name]) => name)
  if (!existsSync('/usr/include/openssl/ssl.h')) packages.push('libssl-dev')
  if (packages.length === 0) return
  throw new FlatProxyError('ERR_FLATPROXY_NOT_FOUND', `the benchmark needs ${packages.join(', ')}`, {
    remedy: `As root: apt-get install --no-install-recommends ${packages.join(' ')}`,
  })
}

/** A configuration of bench/peers with its `@NAMES@` filled in, written into the folder. Returns its path. */
export function configure(folder: string, name: string, values: Readonly<Record<string, string>>): string {
  const path = join(folder, name)
  const text = readFileSync(source(`peers/${name}`), 'utf8')
  const filled = text.replaceAll(/@([A-Z]+)@/g, (_, key: string) => {
    const value = values[key]
    if (value === undefined) throw new FlatProxyError('ERR_FLATPROXY_INTERNAL', `${name} asks for @${key}@`)
    return value
  })
  writeFileSync(path, filled)
  return path
}

/** Compiles the client, the forwarder and what makes a program slower. */
export function compileTools(folder: string): void {
  const client = ['loadgen.c', 'connection.c', 'histogram.c', 'options.c'].map((name) => source(`client/${name}`))
  run(['gcc', '-O2', '-o', join(folder, 'loadgen'), ...client, '-lssl', '-lcrypto'])
  run(['gcc', '-O2', '-o', join(folder, 'forwarder'), source('peers/forwarder.c')])
  run(['gcc', '-O2', '-shared', '-fPIC', '-o', join(folder, 'slow.so'), source('client/slow.c'), '-ldl'])
}

/** Compiles an eBPF program of bench/peers; returns the object's path. */
export function compileBpf(folder: string, name: string, output: string, defines: readonly string[]): string {
  const object = join(folder, `${output}.o`)
  const include = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  const flags = ['-O2', '-g', '-target', 'bpf', `-I${include}`, ...defines.map((define) => `-D${define}`)]
  run(['clang', ...flags, '-c', source(`peers/${name}`), '-o', object])
  return object
}

/** The files that servers serve, and a certificate for those that speak TLS. */
export function writeFiles(folder: string): void {
  writeFileSync(join(folder, '10MB'), randomBytes(bodyBytes))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30']
  run(['openssl', 'req', '-x509', ...curve, '-subj', '/CN=bench.test', '-keyout', key, '-out', certificate])
  writeFileSync(join(folder, 'both.pem'), readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'))
}

/** What a program says about its version, by its first line; undefined when it is not there. */
export function versionOf(program: string, option: string): string | undefined {
  const path = findProgram(program)
  if (path === undefined) return undefined
  // wrk exits with 1.
  const { stdout, stderr } = spawnSync(path, [option], { encoding: 'utf8' })
  return /\d+\.\d+[\w.+~-]*/.exec(stdout + stderr)?.[0]
}

/** Where what was fetched is kept: in a clone below build/, else where the user keeps what can be fetched again. */
export function cacheFolder(): string {
  if (existsSync(join(packageRoot, 'binding.gyp'))) return join(packageRoot, 'build/cache/bench')
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'flatproxy')
}
