// Nothing holds the event loop: work in slices, and little work for little changes.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mergePatch, type Mesh } from '#lib/index.js'
import { adoptMesh, adoptSteps } from '#lib/mesh/adopt.js'
import { checkSteps } from '#lib/mesh/check.js'
import { Planner } from '#lib/mesh/plan.js'
import { Resolver } from '#lib/mesh/resolve.js'
import { runSliced, sliceMilliseconds, type Steps } from '#lib/mesh/steps.js'

const many = (services: number, endpoints: number) => ({
  ports: { a: { type: 'memory' } },
  services: Object.fromEntries(
    Array.from({ length: services }, (_, s) => [
      `s${s}`,
      {
        address: `10.96.${s >> 8}.${s & 255}`,
        port: 80,
        endpoints: Array.from({ length: endpoints }, (_, e) => ({
          address: `10.1.${e >> 8}.${e & 255}`,
          port: 1000 + s,
        })),
      },
    ]),
  ),
})

/** Steps that work took, under a clock that moves by one millisecond each time it is read; and how often it rested. */
async function measure<T>(steps: Steps<T>): Promise<{ result: T; count: number; rests: number; longest: number }> {
  let [count, rests, run, longest, time] = [0, 0, 0, 0, 0]
  const counted = (function* (): Steps<T> {
    for (;;) {
      const step = steps.next()
      if (step.done) return step.value
      count++
      longest = Math.max(longest, ++run)
      yield
    }
  })()
  const rest = async () => void ((run = 0), rests++)
  const result = await runSliced(counted, { now: () => time++, rest })
  return { result, count, rests, longest }
}

describe('work in slices', () => {
  it('rests whenever its time is up', async () => {
    const { longest, rests, count } = await measure(adoptSteps(many(10, 1_000)))
    assert.ok(longest <= sliceMilliseconds + 1, `${longest} steps without rest`)
    assert.ok(rests >= count / (sliceMilliseconds + 1) - 1)
  })

  for (const [services, endpoints] of [
    [1_000, 10],
    [1, 10_000],
  ] as const) {
    it(`may be interrupted often: ${services} services with ${endpoints} endpoints`, async () => {
      const adopted = await measure(adoptSteps(many(services, endpoints)))
      const checked = await measure(checkSteps(adopted.result, undefined, new Resolver()))
      assert.deepEqual(checked.result, [])
      // 10,000 endpoints, in steps of no more than 256.
      for (const { count } of [adopted, checked]) assert.ok(count > 80, `${count} steps`)
    })

    it(`is little when little changes: ${services} services with ${endpoints} endpoints`, async () => {
      const before = await adoptMesh(many(services, endpoints))
      const resolver = new Resolver()
      const whole = await measure(checkSteps(before, undefined, resolver))
      const list = structuredClone(before.services!.s0!.endpoints).map((endpoint, index) =>
        index === 5 ? { ...endpoint, weight: 7 } : endpoint,
      )
      const after = mergePatch(before, { services: { s0: { endpoints: list } } }) as Mesh
      assert.equal(
        after.services!.s0!.endpoints.filter((endpoint, index) => endpoint !== before.services!.s0!.endpoints[index])
          .length,
        1,
      )
      const part = await measure(checkSteps(after, before, resolver))
      assert.deepEqual(part.result, [])
      assert.ok(part.count < whole.count, `${part.count} of ${whole.count} steps`)
    })
  }

  it('stops when the signal is aborted', async () => {
    const abort = new AbortController()
    let rests = 0
    const rest = async () => void (++rests === 2 && abort.abort())
    const steps = checkSteps(await adoptMesh(many(100, 100)), undefined, new Resolver())
    let time = 0
    await assert.rejects(runSliced(steps, { signal: abort.signal, now: () => (time += 1), rest }), {
      name: 'AbortError',
    })
    assert.equal(rests, 2)
  })

  it('is what plans are made of', async () => {
    const mesh = await adoptMesh(many(1, 5_000))
    const planner = new Planner()
    let [time, rests] = [0, 0]
    const options = { now: () => time++, rest: async () => void rests++ }
    await planner.plan(mesh, options)
    planner.commit()
    assert.ok(rests > 5, `${rests} rests`)
    rests = 0
    await planner.plan(mesh, options)
    assert.equal(rests, 0, 'nothing changed, nothing to do')
  })
})
