// Node's parser as a second opinion on each row of the table: where it says something else, the row has the reason.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readRequests, readResponses, type Reading } from './node-reader.js'
import { bytesOf, rowsOf, type Message, type Row } from './rows.js'

const major = Number(process.versions.node.split('.')[0])
const words = new Set(['open', 'incomplete', 'answered', 'closed', 'tunnel'])

const brief = ({ start, target = '', body, end }: Message): Message => ({ start, target, body, end })

/// What a row expects, in the words of the other side. Whether a client keeps the connection is not to be seen.
function expected({ file, expect }: Row): Reading {
  const implied = file.startsWith('requests') ? 'open' : 'answered'
  let then = expect.then ?? implied
  if (!words.has(then)) then = 'refused'
  if (implied === 'answered' && then === 'closed') then = 'answered'
  return { messages: expect.messages.map(brief), then: then as Reading['then'] }
}

function compare(row: Row, seen: Reading) {
  const got = { messages: seen.messages.map(brief), then: seen.then }
  const differs = row.node !== 'same' && (row.node.versions?.includes(major) ?? true)
  if (differs) assert.notDeepEqual(got, expected(row), `${row.name}: Node agrees by now`)
  else assert.deepEqual(got, expected(row), row.name)
}

for (const [kind, read] of [
  ['requests', async (row: Row) => readRequests(bytesOf(row))],
  ['responses', (row: Row) => readResponses(bytesOf(row), row.asked)],
] as const) {
  const rows = rowsOf(kind)
  describe(`Node's parser and the table of ${kind}`, () => {
    for (const file of new Set(rows.map((row) => row.file)))
      describe(file, () => {
        for (const row of rows.filter((one) => one.file === file))
          it(row.name, async () => compare(row, await read(row)))
      })
  })
}
