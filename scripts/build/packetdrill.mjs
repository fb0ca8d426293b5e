// `npm run build:packetdrill`: the TCP as a library for packetdrill's --so_filename; prints its path.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cmakeBuild } from './cmake.mjs'

export async function buildPacketdrill() {
  return join(await cmakeBuild('native', ['packetdrill']), 'libflatproxy_packetdrill.so')
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(await buildPacketdrill())
