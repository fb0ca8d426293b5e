// The names behind the addon's ids.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Planner } from '#lib/mesh/plan.js'
import { Names } from '#lib/proxy/names.js'

describe('the name of a port', () => {
  it("is 'host' of each side of the node's own stack, and nothing of what is gone", () => {
    const names = new Names(new Planner())
    assert.deepEqual(
      [0, 255, 256, 511, 512, 0xffff].map((id) => names.port(id)),
      ['', '', 'host', 'host', '', ''],
    )
  })
})
