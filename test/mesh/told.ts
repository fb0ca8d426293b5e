import { checkMesh } from '#lib/index.js'

/** The problems of a mesh as `path: message | hint`. */
export const told = (mesh: unknown) =>
  checkMesh(mesh).map(
    ({ path, message, hint }) => `${path.join('.')}: ${message}${hint === undefined ? '' : ` | ${hint}`}`,
  )
