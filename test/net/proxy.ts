// A proxy in a process of its own: `node proxy.js MESH [FILE]`, MESH in JSON. It prints a line when it runs, its
// statistics, in JSON, at each SIGUSR2; at each SIGHUP it applies the mesh that is in FILE, and prints a line.
import { readFileSync } from 'node:fs'
import { FlatProxy, type Mesh } from '#lib/index.js'

const [mesh, file] = process.argv.slice(2) as [string, string?]
const proxy = await FlatProxy.start({ mesh: JSON.parse(mesh) as Mesh })
process.once('SIGTERM', () => void proxy.close())
process.on('SIGUSR2', () => void proxy.stats().then((stats) => console.log(JSON.stringify(stats))))
process.on('SIGHUP', () => {
  const next = JSON.parse(readFileSync(file!, 'utf8')) as Mesh
  void proxy.apply(next).then(() => console.log('applied'))
})
console.log('ready')
