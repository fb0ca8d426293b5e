// Programs that people run, on both sides of a listener: nginx and Node.js serve, wrk, curl and Node.js ask.
// timeout: 300 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Mesh } from '#lib/index.js'
import { ifacePort, listeners, meshOf, tapPort } from './mesh.js'
import * as town from './town.js'

const megabyte = 1_000_000

/** nginx in the foreground, which serves a folder with a file of a megabyte. */
function startNginx(folder: string): Promise<ChildProcess> {
  writeFileSync(join(folder, 'megabyte'), Buffer.alloc(megabyte, 'm'))
  const listen = [`listen ${town.serverPort}`, `listen [::]:${town.serverPort}`].join('; ')
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log stderr;
     events { worker_connections 1024; }
     http {
       access_log off; keepalive_requests 1000000; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
       fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
       server { ${listen}; root ${folder}; location /small { return 200 small; } }
     }`,
  )
  // It says nothing when it listens: a shell says it, once it answers.
  const waits = `nginx -e stderr -c ${folder}/nginx.conf & until curl -sf http://127.0.0.1:${town.serverPort}/small; do sleep 0.05; done; echo; wait`
  return town.start('server', 'sh', '-c', waits)
}

/** Requests that wrk counts; none may fail. */
async function requestsOfWrk(url: string, ...options: string[]): Promise<number> {
  const printed = await town.run('client', 'wrk', '-t', '1', '-c', '32', '-d', '2', ...options, url)
  assert.doesNotMatch(printed, /Socket errors|Non-2xx/)
  return Number(/(\d+) requests in/.exec(printed)![1])
}

const kinds: readonly { name: string; veths: boolean; mesh: Mesh }[] = [
  { name: 'tap ports', veths: false, mesh: meshOf(tapPort) },
  { name: 'iface ports', veths: true, mesh: meshOf(ifacePort('matched')) },
]

describe('programs', { skip: town.cannotRun }, () => {
  before(town.openTown)
  after(town.closeTown)

  for (const { name, veths, mesh } of kinds)
    describe(`on ${name}`, () => {
      let proxy: ChildProcess
      before(async () => {
        if (veths) town.layVeths()
        proxy = await town.startProxy(mesh)
      })
      after(async () => {
        await town.stop(proxy)
        if (veths) town.removeVeths()
      })
      const url = (family: town.Family, path: string) =>
        `http://${town.urlHost(town.virtual[family])}:${listeners.web}/${path}`

      describe('nginx', () => {
        const folder = mkdtempSync(join(tmpdir(), 'flatproxy-nginx-'))
        let nginx: ChildProcess
        before(async () => (nginx = await startNginx(folder)))
        after(async () => {
          await town.run('server', 'nginx', '-e', 'stderr', '-c', join(folder, 'nginx.conf'), '-s', 'quit')
          await town.stop(nginx)
          rmSync(folder, { recursive: true })
        })
        for (const family of town.families) {
          it(`answers wrk on connections that stay, ${family}`, async () => {
            assert.ok((await requestsOfWrk(url(family, 'small'))) > 1000)
          })
          it(`answers wrk on a new connection for each request, ${family}`, async () => {
            assert.ok((await requestsOfWrk(url(family, 'small'), '-H', 'Connection: close')) > 200)
          })
          it(`sends files to wrk and curl, ${family}`, async () => {
            assert.ok((await requestsOfWrk(url(family, 'megabyte'))) > 20)
            const part = await town.run('client', 'curl', '-sf', '-r', '10-19', url(family, 'megabyte'))
            assert.equal(part, 'm'.repeat(10))
          })
        }
      })

      describe('Node.js', () => {
        let server: ChildProcess
        before(async () => (server = await town.startServer(town.serverPort)))
        after(() => town.stop(server))
        for (const family of town.families) {
          it(`answers Node.js, by fetch and its pool, ${family}`, async () => {
            const program = `
              const ask = async () => (await fetch(${JSON.stringify(url(family, 'body/10000'))})).arrayBuffer()
              let bytes = 0
              for (let i = 0; i < 50; i++)
                for (const body of await Promise.all([ask(), ask(), ask(), ask()])) bytes += body.byteLength
              console.log(bytes)`
            const printed = await town.run('client', process.execPath, '--input-type=module', '-e', program)
            assert.equal(printed.trim(), String(200 * 10_000))
          })
          it(`answers wrk, ${family}`, async () => {
            assert.ok((await requestsOfWrk(url(family, 'small'))) > 500)
          })
        }
      })
    })
})
