// Ten thousand routes that come and go while requests do: each request is routed by those before or those after.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Mesh } from '#lib/index.js'
import { endLoad, requestMesh, startLoad, type Rule } from './requests.js'
import * as town from './town.js'

const connections = 32
const many = 10_000
const rounds = 3

const port = 8094
const few = requestMesh({ ports: [port], rule: ruleBy('few') })
const folder = mkdtempSync(join(tmpdir(), 'flatproxy-apply-'))
const file = join(folder, 'mesh.json')

function ruleBy(by: string, path?: string): Rule {
  return {
    ...(path !== undefined && { matches: [{ path: { type: 'PathPrefix', value: path } }] }),
    filters: [{ type: 'ResponseHeaderModifier', set: { 'x-by': by } }],
    backendRefs: [{ service: 'shop' }],
  }
}

/** A route for each request of the load: every other one by the host, the rest by the path. */
const routesOfMany: NonNullable<Mesh['routes']> = Array.from({ length: many }, (_, n) =>
  n % 2 === 0
    ? { name: `host-${n}`, hostnames: [`h${n}.example`], rules: [ruleBy('many')] }
    : { name: `path-${n}`, rules: [ruleBy('many', `/r${n}`)] },
)

describe('routes that change', { skip: town.cannotRun }, () => {
  let proxy: ChildProcess
  before(async () => {
    town.openTown()
    await town.startServer(port)
    proxy = await town.startProxy(few, file)
  })
  after(async () => {
    await town.stop(proxy)
    town.closeTown()
    rmSync(folder, { recursive: true })
  })

  async function apply(mesh: Mesh): Promise<void> {
    writeFileSync(file, JSON.stringify(mesh))
    const line = town.nextLine(proxy)
    proxy.kill('SIGHUP')
    assert.equal(await line, 'applied')
  }

  it('fail no request and end no connection', async () => {
    const load = await startLoad(connections)
    for (let round = 0; round < rounds; round++) {
      await apply({ ...few, routes: routesOfMany })
      await apply(few)
    }
    const { ends, connections: used } = await endLoad(load)
    assert.deepEqual(Object.keys(ends).sort(), ['200 few', '200 many'], JSON.stringify(ends))
    assert.equal(used, connections)
    const { http } = (await town.statsOf(proxy)).listeners['requests']!
    assert.deepEqual([http.activeRequests, http.retries], [0, 0])
  })
})
