// The schema's static type and the generic Shape say the same: each can be used as the other, and no key is missing.
import type { Mesh, Shape } from 'flatproxy'
import type { WideMesh } from '../../../dist/mesh/schema/mesh.js'

type Wide = Shape<string, string, string, string, string, string>

/** Every way to a value: keys, `*` for any name, `[]` for the items of a list. */
type Ways<T> = T extends readonly (infer Item)[]
  ? `[]${Ways<Item>}`
  : T extends object
    ? string extends keyof T
      ? `.*${Ways<T[keyof T]>}`
      : { [K in keyof T & string]-?: `.${K}` | `.${K}${Ways<NonNullable<T[K]>>}` }[keyof T & string]
    : ''
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

export const schemaIsShape = (mesh: WideMesh): Wide => mesh
export const shapeIsSchema = (mesh: Wide): WideMesh => mesh
export const meshIsSchema = (mesh: Mesh): WideMesh => mesh
export const sameKeys: Same<Ways<WideMesh>, Ways<Wide>> = true

// That the comparison is of something, and sees a difference.
type Way = Ways<Wide>
export const deep: Way[] = ['.services.*.endpoints[].weight', '.ports.*.port.own[]', '.flows.timeouts.tcpTimeWait']
// @ts-expect-error no such way
export const none: Way = '.services.*.endpoints[].wait'
export const differs: Same<Ways<WideMesh>, Ways<Omit<Wide, 'flows'>>> = false
