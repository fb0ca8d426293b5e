// The Debian packages that building, testing and the demo need, each with what shows that it is there.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { findBpftool, findProgram } from './tools.mjs'

const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
const lib = `/usr/lib/${multiarch}`
const program = (name) => () => findProgram(name) !== undefined
const file = (path) => () => existsSync(path)

// prettier-ignore
const needs = [
  ['g++',                program('g++')],
  ['make',               program('make')],
  ['python3',            program('python3')],
  ['pkg-config',         program('pkg-config')],
  ['cmake',              program('cmake')],
  ['ninja-build',        program('ninja')],
  ['ccache',             program('ccache')],
  ['clang',              program('clang++')],
  ['libdpdk-dev',        file(`${lib}/pkgconfig/libdpdk.pc`)],
  ['libbsd-dev',         file(`${lib}/libbsd.a`)],
  ['libmd-dev',          file(`${lib}/libmd.a`)],
  ['libbpf-dev',         file('/usr/include/bpf/bpf_helpers.h')],
  ['linux-libc-dev',     file('/usr/include/linux/bpf.h')],
  ['libgtest-dev',       file('/usr/include/gtest/gtest.h')],
  ['nlohmann-json3-dev', file('/usr/include/nlohmann/json.hpp')],
  ['libssl-dev',         file('/usr/include/openssl/ssl.h')],
  ...(process.arch === 'x64' ? [['libipsec-mb-dev', file('/usr/include/intel-ipsec-mb.h')]] : []),
  ['libxdp1',            file(`${lib}/libxdp.so.1`)],
  ['libpcap0.8',         file(`${lib}/libpcap.so.0.8`)],
  ['iproute2',           program('ip')],
  ['iputils-ping',       program('ping')],
  ['ethtool',            program('ethtool')],
  ['curl',               program('curl')],
  ['openssl',            program('openssl')],
  ['iperf3',             program('iperf3')],
  ['nginx-light',        program('nginx')],
  ['wrk',                program('wrk')],
  ['slowhttptest',       program('slowhttptest')],
  ['util-linux',         program('nsenter')],
]

// What the side-by-side benchmark compares with, and its clients.
// prettier-ignore
const benchNeeds = [
  ['haproxy',              program('haproxy')],
  ['libnginx-mod-stream',  file('/usr/lib/nginx/modules/ngx_stream_module.so')],
  ['nftables',             program('nft')],
  ['python3-pip',          () => execFileSync('python3', ['-c', 'import importlib.util as u; print(u.find_spec("pip") is not None)'], { encoding: 'utf8' }).startsWith('True')],
]

const candidateVersion = (name) =>
  execFileSync('apt-cache', ['policy', name], { encoding: 'utf8' }).match(/Candidate: (?!\(none\))(\S+)/)?.[1]

// clang's run-time libraries (sanitizers, libFuzzer) are a package of its release: libclang-rt-14-dev in Debian 12.
const hasRuntime = (version) =>
  [`/usr/lib/llvm-${version}/lib/clang`, '/usr/lib/clang'].some(
    (folder) =>
      existsSync(folder) &&
      readdirSync(folder, { recursive: true }).some((path) => /libclang_rt\.fuzzer(-\w+)?\.a$/.test(path)),
  )

function clangVersion() {
  if (findProgram('clang++')) return execFileSync('clang++', ['-dumpversion'], { encoding: 'utf8' }).split('.')[0]
  return candidateVersion('clang')?.match(/^(?:\d+:)?(\d+)/)?.[1]
}

// Debian has a package bpftool; Ubuntu 24.04 hides the tool in linux-tools-generic.
const bpftoolPackages = () =>
  candidateVersion('bpftool') ? ['bpftool'] : ['linux-tools-common', 'linux-tools-generic']

export const missingPackages = ({ bench = false } = {}) => [
  ...[...needs, ...(bench ? benchNeeds : [])].filter(([, isThere]) => !isThere()).map(([name]) => name),
  ...(findBpftool() ? [] : ['bpftool']),
  ...(findProgram('clang++') && hasRuntime(clangVersion()) ? [] : ['libclang-rt']),
]

// The names to install, now that apt's lists are there.
export const packageNames = (missing) =>
  missing.flatMap((name) => {
    if (name === 'bpftool') return bpftoolPackages()
    if (name === 'libclang-rt') return [`libclang-rt-${clangVersion()}-dev`]
    return [name]
  })
