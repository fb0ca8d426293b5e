import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from './report.js'
import { renderMarkdown } from './report/markdown.js'
import { renderPlots } from './report/plots.js'

const ours = /^(bars|latency)-[\w-]+\.svg$/

/** Writes peers.json, peers.md and the plots into a folder; plots of an earlier run go. */
export function writeResults(report: Report, folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) if (ours.test(name)) rmSync(join(folder, name))
  writeFileSync(join(folder, 'peers.json'), writtenReport(report))
  writeFileSync(join(folder, 'peers.md'), renderMarkdown(report))
  for (const [name, picture] of renderPlots(report)) writeFileSync(join(folder, name), picture)
}

/** As JSON, a line for each row. */
export function writtenReport(report: Report): string {
  const listed = (values: readonly unknown[]) =>
    `[\n${values.map((value) => `    ${JSON.stringify(value)}`).join(',\n')}\n  ]`
  const fields = Object.entries(report).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${Array.isArray(value) ? listed(value) : JSON.stringify(value)}`,
  )
  return `{\n${fields.join(',\n')}\n}\n`
}
