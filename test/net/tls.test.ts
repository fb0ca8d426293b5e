// TLS that ends at listeners, with real clients: curl, OpenSSL's s_client, Node's tls.
// timeout: 240 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { Mesh } from '#lib/index.js'
import { bodyHash } from './body.js'
import { Authority, type CertificateFiles } from './certificates.js'
import { ifacePort, meshOf, tapPort } from './mesh.js'
import * as town from './town.js'

const ports = { https: 443, tls: 444 } as const
const host = 'shop.example'

const authority = new Authority()
const file = authority.path('mesh.json')
const serving: readonly CertificateFiles[] = [
  authority.issue('ecdsa', host),
  authority.issue('rsa', host),
  authority.issue('ecdsa', '*.api.example'),
]

/** Beside what {@link meshOf} has: listeners that end TLS in front of the web server, for requests and for bytes. */
function meshOverTls(mesh: Mesh, certificates = serving): Mesh {
  const address = Object.values(town.virtual)
  const backendRefs = [{ service: 'web' as const }]
  return {
    ...mesh,
    listeners: {
      ...mesh.listeners,
      https: { address, port: ports.https, protocol: 'https', tls: { certificates } },
      tls: { address, port: ports.tls, protocol: 'tls', tls: { certificates } },
    },
    routes: [
      ...mesh.routes!,
      { name: 'https', listeners: ['https'], rules: [{ backendRefs }] },
      { name: 'tls', listeners: ['tls'], rules: [{ backendRefs }] },
    ],
  }
}

function curl(family: town.Family, path: string, ...words: string[]): Promise<string> {
  const at = `${host}:${ports.https}:${town.urlHost(town.virtual[family])}`
  const trust = ['--cacert', authority.root, '--resolve', at]
  return town.run('client', 'curl', '-sS', '--max-time', '30', ...trust, ...words, `https://${host}${path}`)
}

const shell = (script: string) => town.run('client', 'bash', '-o', 'pipefail', '-c', script)

/** What OpenSSL's client says of a connection to a listener, and what it got for a request. */
const ask = (port: number, ...words: string[]) =>
  shell(
    `printf 'GET /small HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n' | ` +
      `openssl s_client -connect ${town.virtual.v4}:${port} -servername ${host} -CAfile ${authority.root} ` +
      `-verify_return_error -ign_eof ${words.join(' ')} 2>&1`,
  )

const suites = {
  1.3: ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  1.2: ['ECDSA', 'RSA'].flatMap((kind) =>
    ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'].map((suite) => `ECDHE-${kind}-${suite}`),
  ),
} as const

const kinds: readonly { name: string; veths: boolean; mesh: Mesh }[] = [
  { name: 'tap ports', veths: false, mesh: meshOverTls(meshOf(tapPort)) },
  { name: 'iface ports', veths: true, mesh: meshOverTls(meshOf(ifacePort('matched'))) },
]

describe('TLS', { skip: town.cannotRun }, () => {
  before(async () => {
    town.openTown()
    await town.startServer(town.serverPort)
  })
  after(() => {
    town.closeTown()
    authority.close()
  })

  for (const { name, veths, mesh } of kinds)
    describe(`on ${name}`, () => {
      let proxy: ChildProcess
      before(async () => {
        if (veths) town.layVeths()
        proxy = await town.startProxy(mesh, file)
      })
      after(async () => {
        await town.stop(proxy)
        if (veths) town.removeVeths()
      })
      const stats = async () => (await town.statsOf(proxy)).listeners

      for (const family of town.families)
        it(`a body of 20 MB comes whole, ${family}`, async () => {
          const bytes = 20_000_000
          const at = `--resolve '${host}:${ports.https}:${town.urlHost(town.virtual[family])}'`
          for (const version of ['--tlsv1.3', '--tls-max 1.2']) {
            const printed = await shell(
              `curl -sS --max-time 30 --cacert ${authority.root} ${at} ${version} https://${host}/body/${bytes} | sha256sum`,
            )
            assert.equal(printed.split(' ')[0], bodyHash(bytes))
          }
        })
      it('a body that is sent comes whole', async () => {
        const at = `--resolve ${host}:${ports.https}:${town.virtual.v4}`
        const printed = await shell(
          `head -c 3000000 /dev/zero | curl -sS --max-time 20 --cacert ${authority.root} ${at} ` +
            `-H 'Transfer-Encoding: chunked' --data-binary @- https://${host}/count`,
        )
        assert.equal(printed, '3000000')
      })
      it('connections are kept for many requests', async () => {
        const urls = Array.from({ length: 20 }, () => `https://${host}/small`)
        const printed = await curl('v4', '/small', ...urls, '-w', '%{num_connects} ')
        assert.equal(printed.match(/1 /g)!.length, 1, printed)
        assert.equal(printed.match(/0 /g)!.length, 20, printed)
      })
      for (const [version, all] of Object.entries(suites))
        for (const suite of all)
          it(`TLS ${version} with ${suite}`, async () => {
            const choice = version === '1.3' ? ['-tls1_3', '-ciphersuites', suite] : ['-tls1_2', '-cipher', suite]
            for (const port of Object.values(ports)) {
              const said = await ask(port, ...choice)
              assert.match(said, /HTTP\/1\.1 200 OK[^]*\bsmall/)
              assert.match(said, new RegExp(`Cipher is ${suite}`))
              assert.match(said, /Verify(?: return code|ation): (?:0 \(ok\)|OK)/)
            }
          })
      it('a session is resumed by its ticket', async () => {
        const { resumed } = (await stats())['https']!.tls
        const session = authority.path('session')
        await ask(ports.https, '-sess_out', session)
        assert.match(await ask(ports.https, '-sess_in', session), /Reused, TLSv1\.3/)
        assert.equal((await stats())['https']!.tls.resumed, resumed + 1)
      })
      it("Node's client checks the name, and is told of http/1.1", async () => {
        const script = `
          const { connect } = require('node:tls')
          const socket = connect({
            host: '${town.virtual.v4}', port: ${ports.https}, servername: 'v1.api.example',
            ca: require('node:fs').readFileSync('${authority.root}'), ALPNProtocols: ['h2', 'http/1.1'],
          }, () => console.log(socket.authorized, socket.alpnProtocol, socket.getPeerCertificate().subjectaltname))
          socket.on('data', (data) => console.log(String(data).split('\\r\\n')[0])).on('end', () => console.log('end'))
          socket.write('GET /small HTTP/1.1\\r\\nHost: v1.api.example\\r\\nConnection: close\\r\\n\\r\\n')`
        const printed = await town.run('client', process.execPath, '-e', script)
        assert.equal(printed, 'true http/1.1 DNS:*.api.example\nHTTP/1.1 200 OK\nend\n')
      })
      it('who speaks no TLS, an old one, or another protocol is counted as that', async () => {
        const { failures } = (await stats())['https']!.tls
        await assert.rejects(town.run('client', 'curl', '-sS', `http://${town.virtual.v4}:${ports.https}/`))
        await assert.rejects(ask(ports.https, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'))
        await assert.rejects(ask(ports.https, '-alpn', 'h2'))
        const { failures: after } = (await stats())['https']!.tls
        const more = (why: string) => after[why]! - failures[why]!
        assert.deepEqual(['not_tls', 'version', 'application_protocol'].map(more), [1, 1, 1])
      })
      it('certificates are replaced while connections run', async () => {
        const [first] = serving
        const [certificate, key] = [first!.certificate, first!.key].map((path) => authority.read(path))
        const other = authority.issue('ecdsa', host)
        const words = [town.script('tls-client.js'), host, town.virtual.v4, String(ports.https), authority.root]
        const client = await town.start('client', process.execPath, ...words)
        writeFileSync(first!.certificate, authority.read(other.certificate))
        writeFileSync(first!.key, authority.read(other.key))
        writeFileSync(file, JSON.stringify(mesh))
        try {
          const line = town.nextLine(proxy)
          proxy.kill('SIGHUP')
          assert.equal(await line, 'applied')
          const shown = await shell(
            `openssl s_client -connect ${town.virtual.v4}:${ports.https} -servername ${host} < /dev/null 2> /dev/null |` +
              'openssl x509 -noout -serial',
          )
          const summary = town.nextLine(client)
          client.kill('SIGTERM')
          const { errors, serials } = JSON.parse(await summary) as { errors: string[]; serials: string[] }
          assert.deepEqual(errors, [])
          assert.equal(serials.length, 1, 'its connection is the one that it began with')
          assert.notEqual(shown.trim(), `serial=${serials[0]}`)
        } finally {
          writeFileSync(first!.certificate, certificate!)
          writeFileSync(first!.key, key!)
          await town.stop(client)
        }
      })
    })
})
