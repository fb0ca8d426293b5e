// `npm run bench:swap -- [--policies N] [--workloads N] [--rounds N]`: what it takes to put other policies in force while
// traffic runs. Frames of many flows go through memory ports all the time; each round applies a mesh in which one policy
// in ten is another. Says how long apply() takes, which is mostly the time off the lane, the longest that a pass of the
// lane takes of its CPU time meanwhile, and how many frames were lost.
import { parseArgs } from 'node:util'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { FlatProxy } from '../dist/index.mjs'
import { checksum } from './capture.mjs'

const { values } = parseArgs({
  options: {
    policies: { type: 'string', default: '10000' },
    workloads: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '7' },
  },
})
const [policies, workloads, rounds] = [values.policies, values.workloads, values.rounds].map(Number)
const burst = 64
const flows = 4096

const address = (index) => `10.1.${index >> 8}.${index & 255}`
const workload = (index) => ({
  on: 'pods',
  addresses: [address(index)],
  labels: { app: `a${index % 100}`, id: `w${index}` },
})

/** Allows ports of each workload, and denies others; the round is in a tenth of them. */
function meshOf(round) {
  const list = Array.from({ length: policies }, (_, index) => {
    const port = 1024 + (index % 50_000) + (index % 10 === 0 ? round % 2 : 0)
    return index % 2 === 0
      ? {
          name: `p${index}`,
          to: { labels: { id: `w${index % workloads}` } },
          from: { cidr: '10.0.0.0/16' },
          ports: [
            { protocol: 'udp', port: 9000 },
            { protocol: 'tcp', port },
          ],
          action: 'allow',
        }
      : {
          name: `p${index}`,
          to: { labels: { app: `a${index % 100}` } },
          from: { labels: { id: `w${(index * 7) % workloads}` } },
          ports: [{ protocol: 'tcp', port }],
          action: 'deny',
        }
  })
  return {
    ports: { uplink: { type: 'memory', own: ['10.0.0.1/16'] }, pods: { type: 'memory', own: ['10.1.255.254/16'] } },
    workloads: Object.fromEntries(Array.from({ length: workloads }, (_, index) => [`w${index}`, workload(index)])),
    policies: list,
  }
}

const bytesOf = (text) => text.split('.').map(Number)

/** A UDP datagram to one of the workloads. */
function frameOf(index, mac) {
  const frame = Buffer.alloc(60)
  mac.copy(frame, 0)
  frame.set([2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0], 6)
  frame.set([...bytesOf(`10.0.${1 + (index >> 8)}.${index & 255}`), ...bytesOf(address(index % workloads))], 26)
  frame.writeUInt16BE(checksum(frame.subarray(14, 34)), 24)
  frame.writeUInt16BE(5000, 34)
  frame.writeUInt16BE(9000, 36)
  frame.writeUInt16BE(26, 38)
  return frame
}

function arp(operation, senderMac, sender, targetMac, target) {
  const head = Buffer.from([
    ...(operation === 1 ? Buffer.alloc(6, 255) : targetMac),
    ...senderMac,
    8,
    6,
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    operation,
  ])
  return Buffer.concat([head, senderMac, Buffer.from(sender), targetMac, Buffer.from(target)], 60)
}

const peerMac = Buffer.from([2, 0, 0, 0, 0, 9])
const meshes = [meshOf(0), meshOf(1)]
const proxy = await FlatProxy.start({ mesh: meshes[0], lanes: 1 })
let [sent, received, lost, paused, ending] = [0, 0, 0, false, false]
try {
  const [uplink, pods] = [proxy.port('uplink'), proxy.port('pods')]
  uplink.send([arp(1, peerMac, [10, 0, 0, 9], Buffer.alloc(6), [10, 0, 0, 1])])
  let mac
  for await (const frames of uplink) {
    const reply = frames.find((frame) => frame[12] === 8 && frame[13] === 6)
    if (reply) mac = Buffer.from(reply.subarray(6, 12))
    if (mac) break
  }
  const drain = (async () => {
    for await (const frames of pods)
      for (const frame of frames) {
        if (frame[12] === 8 && frame[13] === 6) {
          if (frame[21] === 1)
            pods.send([arp(2, peerMac, frame.subarray(38, 42), frame.subarray(6, 12), frame.subarray(28, 32))])
        } else received++
      }
  })()
  const frames = Array.from({ length: flows }, (_, index) => frameOf(index, mac))
  const traffic = (async () => {
    for (let at = 0; !ending; at = (at + burst) % flows) {
      // As many as come out again: the process, not the lane, is what has little time.
      if (!paused && sent - received - lost < 2048) sent += uplink.send(frames.slice(at, at + burst))
      await turn()
    }
  })()
  // Until every workload has been asked for its MAC address: that many at once wait in vain, in part.
  await sleep(1000)
  paused = true
  await sleep(500)
  lost = sent - received
  paused = false
  const before = sent
  const took = []
  const pauses = []
  for (let round = 1; round <= rounds; round++) {
    const start = performance.now()
    const { longestPauseMicroseconds } = await proxy.apply(meshes[round % 2])
    took.push(performance.now() - start)
    pauses.push(longestPauseMicroseconds)
    await sleep(500)
  }
  const during = sent - before
  ending = true
  await traffic
  const missing = () => sent - received - lost
  for (let wait = 0; missing() > 0 && wait < 100; wait++) await sleep(10)
  const sorted = (list) => list.toSorted((a, b) => a - b)
  const text = (list, digits) =>
    `${sorted(list)[list.length >> 1].toFixed(digits)} (at most ${Math.max(...list).toFixed(digits)})`
  const { reasons } = await proxy.stats()
  console.log(`${policies} policies, ${workloads} workloads, ${flows} flows, ${rounds} rounds`)
  console.log(`  apply():      ${text(took, 0)} ms`)
  console.log(`  longest pass: ${text(pauses, 0)} us of CPU time`)
  console.log(`  ${during} frames meanwhile, ${missing()} lost; ${reasons.forwarded.packets} forwarded`)
  void drain
} finally {
  ending = true
  await proxy.close()
}
