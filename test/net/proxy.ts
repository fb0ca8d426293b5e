// A proxy in a process of its own: `node proxy.js MESH`, MESH in JSON. It prints a line when it runs, and its
// statistics, in JSON, at each SIGUSR2.
import { FlatProxy, type Mesh } from '#lib/index.js'

const proxy = await FlatProxy.start({ mesh: JSON.parse(process.argv[2]!) as Mesh })
process.once('SIGTERM', () => void proxy.close())
process.on('SIGUSR2', () => void proxy.stats().then((stats) => console.log(JSON.stringify(stats))))
console.log('ready')
