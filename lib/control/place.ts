import { chmod, link, lstat, mkdtemp, rename, rm, stat, unlink } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { controlError, controlLimits } from './protocol.js'

/** Where a server listens, and how its socket is taken away again. */
export interface Place {
  readonly path: string
  remove(): Promise<void>
}

/**
 * Lets a server listen on a Unix socket that only its owner may open. The socket is bound in a folder that nobody else
 * can enter, closed to all others there, and linked to its path when it is done: at no time is it open to anyone else,
 * and the process's umask (which all threads share) stays as it is. A socket that nobody listens on any more is replaced.
 *
 * @throws `ERR_FLATPROXY_CONTROL` when somebody listens there, when there is something else than a socket, when the
 *   path is too long, or the folder is missing or open to everybody
 */
export async function listenAt(server: Server, path: string): Promise<Place> {
  const target = resolve(path)
  const folder = dirname(target)
  checkLength(target, folder)
  await checkFolder(folder)
  const nest = await attempt(`cannot make a socket in ${folder}`, () => mkdtemp(join(folder, '.')))
  try {
    const bound = join(nest, 's')
    await listening(server, bound)
    await chmod(bound, 0o600)
    await publish(bound, target, nest)
    const { dev, ino } = await lstat(target)
    return { path: target, remove: () => removeOwn(target, dev, ino) }
  } catch (error) {
    server.close()
    throw error
  } finally {
    await rm(nest, { recursive: true, force: true })
  }
}

function checkLength(target: string, folder: string): void {
  // The path of the socket while it is made: FOLDER/.XXXXXX/s
  const longest = Math.max(Buffer.byteLength(target), Buffer.byteLength(folder) + 10)
  if (longest > controlLimits.pathBytes)
    throw controlError(
      `the path of the control socket is too long: ${target}`,
      `At most ${controlLimits.pathBytes} bytes.`,
    )
}

async function checkFolder(folder: string): Promise<void> {
  const { mode } = await attempt(`the folder of the control socket cannot be used`, () => stat(folder))
  if ((mode & 0o1002) === 0o0002)
    throw controlError(`everybody may replace a socket in ${folder}`, `chmod o-w ${folder}, or choose another folder.`)
}

async function attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw controlError(`${what}: ${(error as Error).message}`, undefined, error)
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    const failed = (error: Error) => fail(controlError(`cannot listen on ${path}: ${error.message}`, undefined, error))
    server.once('error', failed)
    server.listen(path, () => {
      server.off('error', failed)
      done()
    })
  })
}

async function publish(bound: string, target: string, nest: string): Promise<void> {
  for (let tries = 0; tries < 8; tries++) {
    try {
      return await link(bound, target)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw controlError(`cannot make ${target}: ${(error as Error).message}`, undefined, error)
    }
    await removeStale(target, nest)
  }
  throw controlError(`another process keeps replacing ${target}`)
}

/** Removes a socket that nobody listens on. What a third process put there meanwhile is put back. */
async function removeStale(target: string, nest: string): Promise<void> {
  const found = await lstat(target).catch(() => undefined)
  if (!found) return
  if (!found.isSocket()) throw controlError(`${target} is not a socket`, 'Choose another path, or remove it.')
  if (await answers(target))
    throw controlError(`another process listens on ${target}`, 'Stop it, or choose another path for this one.')
  const aside = join(nest, basename(target))
  await rename(target, aside).catch(() => undefined)
  const taken = await lstat(aside).catch(() => undefined)
  if (taken && (taken.ino !== found.ino || taken.dev !== found.dev)) await link(aside, target).catch(() => undefined)
  await rm(aside, { force: true })
}

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path)
    socket.once('connect', () => (socket.destroy(), done(true)))
    socket.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    )
  })
}

async function removeOwn(path: string, dev: number, ino: number): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.dev === dev && found.ino === ino) await unlink(path).catch(() => undefined)
}
