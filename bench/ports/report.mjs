// The rows of the JSON file, and the table that is printed.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { units } from './cases.mjs'
import { floors } from './peers.mjs'

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

// Values by row name, round by round.
export class Results {
  #rounds = new Map()
  absent = []

  add(name, value) {
    if (!this.#rounds.has(name)) this.#rounds.set(name, [])
    this.#rounds.get(name).push(value)
  }

  rows() {
    const value = (name) => (this.#rounds.has(name) ? median(this.#rounds.get(name)) : undefined)
    return [...this.#rounds].map(([name, rounds]) => {
      const [of, peer, metric] = name.split('/')
      const floor = floors[peer] && value(`${of}/${floors[peer]}/${metric}`)
      return { name, value: median(rounds), ...units[metric], rounds, ...(floor !== undefined && { floor }) }
    })
  }

  json() {
    const { machine, commit } = surroundings()
    return { machine, commit, date: new Date().toISOString(), rows: this.rows(), absent: this.absent }
  }
}

function surroundings() {
  const congestion = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()
  let commit = 'unknown'
  try {
    commit = execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    // Not a clone.
  }
  return { machine: { cpu: cpus()[0].model, cores: cpus().length, kernel: release(), congestion }, commit }
}

const short = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

export function printTable(rows) {
  const lines = [['', 'median', 'unit', 'of its floor', 'rounds']]
  for (const { name, value, unit, floor, rounds } of rows)
    lines.push([name, short(value), unit, floor ? (value / floor).toFixed(2) : '', rounds.map(short).join(' ')])
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  for (const line of lines)
    console.log(
      line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
}
