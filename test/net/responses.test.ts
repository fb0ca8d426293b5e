// Every row of the table of responses (test/http/messages) through a running proxy: what is whole comes whole, and what
// is not never looks as if it were.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { bytesOf, rowsOf, type Row } from '../http/rows.js'
import { requestMesh, requestPort } from './requests.js'
import type { SeenResponse } from './row-client.js'
import * as town from './town.js'

const port = 8095
const mesh = requestMesh({
  ports: [port],
  http: { bodyTimeout: '2s' },
  rule: { timeouts: { backendRequest: '2s' } },
  service: { http: { eject: { failures: 1000 } } },
})

/** Whether it ends where its connection does: one that is left open has no end then. */
function endsWithClose(row: Row): boolean {
  const [head] = bytesOf(row).toString('latin1').split('\r\n\r\n')
  return row.expect.then === 'closed' && !/^content-length:/im.test(head!)
}

/** What has to come back for a row. */
function expectedOf(row: Row, then: SeenResponse['then']): string {
  const { messages, then: rest = 'answered', rest: behind = 0 } = row.expect
  const last = messages.at(-1)
  if (last === undefined || !['answered', 'closed', 'tunnel'].includes(rest)) return 'refused'
  if (then === 'keep' && endsWithClose(row)) return 'cut'
  return rest === 'tunnel' ? `tunnel ${last.start} ${behind}` : `whole ${last.start} ${last.body}`
}

/** What has come, in the same words. */
function resultOf({ end, status, bytes, then }: SeenResponse, expected: string): string {
  const ours = status === 502 || (then === 'keep' && status === 504)
  if (expected === 'refused' && (end === 'cut' || ours)) return 'refused'
  return end === 'cut' ? 'cut' : `${end} ${status} ${bytes}`
}

describe('responses', { skip: town.cannotRun }, () => {
  let proxy: ChildProcess
  before(async () => {
    town.openTown()
    await town.start('server', process.execPath, town.script('row-server.js'), String(port))
    proxy = await town.startProxy(mesh)
  })
  after(async () => {
    await town.stop(proxy)
    town.closeTown()
  })

  let all: SeenResponse[]
  const rows = new Map(rowsOf('responses').map((row) => [`${row.file} ${row.name}`, row]))
  const wrong = (faultOf: (seen: SeenResponse, row: Row) => string | undefined) =>
    all.flatMap((seen) => {
      const key = `${seen.file} ${seen.name}`
      const fault = faultOf(seen, rows.get(key)!)
      return fault === undefined ? [] : [`${key} (${seen.then}): ${fault}`]
    })
  before(async () => {
    const client = [town.script('row-client.js'), town.virtual.v4, String(requestPort)]
    all = JSON.parse(await town.run('client', process.execPath, ...client)) as SeenResponse[]
    assert.equal(all.length, 2 * rows.size)
  })

  it('are passed on whole, or refused', () => {
    const faults = wrong((seen, row) => {
      const expected = expectedOf(row, seen.then)
      const result = resultOf(seen, expected)
      return result === expected ? undefined : `${result}, not ${expected}`
    })
    assert.deepEqual(faults, [])
  })
  it('come behind the interim ones that their server has sent', () => {
    const faults = wrong(({ interim }, { expect }) => {
      const expected = expect.messages
        .map(({ start }) => Number(start))
        .filter((status) => status < 200 && status !== 101)
      return interim.join() === expected.join() ? undefined : `${interim.join()}, not ${expected.join()}`
    })
    assert.deepEqual(faults, [])
  })
  it('leave nothing to those who ask next', () => {
    assert.deepEqual(
      wrong(({ next }) => (next.every(Boolean) ? undefined : next.join())),
      [],
    )
  })
  it('that are refused are counted by why', async () => {
    const { http } = (await town.statsOf(proxy)).listeners['requests']!
    const why = new Set([...rows.values()].map(({ expect }) => expect.then).filter((then) => then?.includes('_')))
    assert.deepEqual([...why].filter((name) => !http.refused[name!]).sort(), [])
    assert.equal(http.activeRequests, 0)
  })
})
