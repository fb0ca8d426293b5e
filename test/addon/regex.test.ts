// Expressions of a mesh are RE2's: the addon, which has it, says where one is not.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkMesh } from 'flatproxy'

const problems = (value: string) =>
  checkMesh({
    ports: { a: { type: 'memory' } },
    routes: [
      {
        name: 'r',
        rules: [
          {
            matches: [
              { path: { type: 'RegularExpression', value }, headers: [{ name: 'x', value: '(', type: 'Exact' }] },
            ],
            filters: [{ type: 'DirectResponse', status: 200 }],
          },
        ],
      },
    ],
  })

describe('an expression', () => {
  it('is what RE2 takes', () => {
    for (const value of ['/v[0-9]+/.*', '(?i)/a|/b', '\\pL+']) assert.deepEqual(problems(value), [], value)
  })

  it('is refused with its path otherwise', () => {
    for (const value of ['/(', '(?=a)', '(a)\\1'])
      assert.deepEqual(
        problems(value).map(({ path }) => path.join('.')),
        ['routes.0.rules.0.matches.0.path.value'],
        value,
      )
  })
})
