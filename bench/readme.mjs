// `npm run bench:readme`: writes bench/results/peers.json into the README, between its markers.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readReport, renderSummary } from '../dist/bench.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const between = /(<!-- bench:peers -->\n)[^]*?(<!-- \/bench:peers -->)/
const readme = readFileSync(here('../README.md'), 'utf8')
if (!between.test(readme))
  throw new Error('README.md has no section between <!-- bench:peers --> and <!-- /bench:peers -->')
const summary = renderSummary(readReport(here('results/peers.json')), 'bench/results')
writeFileSync(
  here('../README.md'),
  readme.replace(between, (_, first, last) => `${first}\n${summary}\n\n${last}`),
)
