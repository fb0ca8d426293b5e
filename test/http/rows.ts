// The table of messages (messages/README.md describes its rows).
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = 'test/http/messages'

type Part = string | { repeat: string; times: number }

/// One message of a stream, and where it ends.
export interface Message {
  start: string
  target?: string
  body: number
  end: number
}

export interface Row {
  file: string
  name: string
  bytes: Part | Part[]
  asked?: Asked
  expect: { messages: Message[]; then?: string; status?: number; rest?: number }
  node: 'same' | { differs: string; versions?: number[] }
}

export type Asked = 'GET' | 'HEAD' | 'CONNECT' | 'websocket'

export function bytesOf(row: Row): Buffer {
  const texts = [row.bytes].flat().map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times)))
  return Buffer.from(texts.join(''), 'latin1')
}

export function rowsOf(kind: 'requests' | 'responses'): Row[] {
  const files = readdirSync(folder).filter((name) => name.startsWith(kind))
  return files.sort().flatMap((file) => {
    const rows = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Omit<Row, 'file'>[]
    return rows.map((row) => ({ ...row, file }))
  })
}
