// `node flatproxy.mjs MESH`: flatproxy with one lane on core 0, as its users run it. MESH is a file of JSON.
import { FlatProxy, loadMesh } from '../../dist/index.mjs'

const proxy = await FlatProxy.start({ mesh: await loadMesh(process.argv[2]), lanes: [0] })
process.once('SIGTERM', () => void proxy.close())
console.log('ready')
