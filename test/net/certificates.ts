// Certificates as OpenSSL's program makes them, for tests.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

const kinds = {
  ecdsa: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
} as const

const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'pipe' })

/** An authority, and what it has issued, in a folder of its own. */
export class Authority {
  private readonly folder = mkdtempSync(join(tmpdir(), 'flatproxy-tls-'))
  private readonly own = { certificate: this.path('root.pem'), key: this.path('root-key.pem') }
  private issued = 0

  constructor() {
    this.makeKey('ecdsa', this.own.key)
    const { certificate, key } = this.own
    const words = ['-subj', "/CN=flatproxy's tests", '-addext', 'basicConstraints=critical,CA:TRUE', '-days', '2']
    openssl('req', '-x509', '-new', '-key', key, '-out', certificate, ...words)
  }

  /** The file of its own certificate, which clients trust. */
  get root(): string {
    return this.own.certificate
  }

  /** A file of this name in its folder. */
  path(name: string): string {
    return join(this.folder, name)
  }

  read(path: string): string {
    return readFileSync(path, 'utf8')
  }

  /** A certificate for a host, `*.` and its parent, or both. */
  issue(kind: keyof typeof kinds, name: string): CertificateFiles {
    const number = ++this.issued
    const files = { certificate: this.path(`${number}.pem`), key: this.path(`${number}-key.pem`) }
    const [request, extensions] = [this.path(`${number}.csr`), this.path(`${number}.ext`)]
    this.makeKey(kind, files.key)
    openssl('req', '-new', '-key', files.key, '-out', request, '-subj', '/CN=a server')
    writeFileSync(extensions, `subjectAltName=DNS:${name}\n`)
    const issuer = ['-CA', this.own.certificate, '-CAkey', this.own.key, '-CAcreateserial', '-days', '2']
    openssl('x509', '-req', '-in', request, '-out', files.certificate, '-extfile', extensions, ...issuer)
    return files
  }

  close(): void {
    rmSync(this.folder, { recursive: true })
  }

  private makeKey(kind: keyof typeof kinds, path: string): void {
    const [algorithm, ...options] = kinds[kind]
    openssl('genpkey', '-algorithm', algorithm, ...options, '-out', path)
  }
}
