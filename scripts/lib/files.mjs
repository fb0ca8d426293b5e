// The C and C++ files that formatters and linters look at.
import { filesUnder } from './stale.mjs'

const folders = ['native', 'test/native', 'test/http', 'test/fuzz', 'bench/client', 'bench/engine', 'bench/peers']

export const nativeFiles = () => folders.flatMap(filesUnder).filter((path) => /\.(cc|c|h)$/.test(path))
