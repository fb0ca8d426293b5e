import type { Node } from './describe.js'
import { parseDuration } from './duration.js'
import { choose, format } from './kit.js'
import type { Tree } from './tree.js'

/**
 * A value that has passed the check, with nothing left open: the schema's defaults are filled in, and durations are
 * whole milliseconds.
 */
export function settle(schema: object, value: unknown): unknown {
  const node = schema as Node
  const choice = node[choose]
  if (value === undefined) return node.default === undefined ? undefined : settle(node, node.default)
  if (node[format] === 'duration') return parseDuration(value)
  if (choice === 'list') return settle(node.anyOf![Array.isArray(value) ? 1 : 0]!, value)
  if (choice === 'object') return settle(node.anyOf![typeof value === 'object' ? 1 : 0]!, value)
  if (choice) return settle(memberOf(node, value as Tree), value)
  if (Array.isArray(value)) return value.map((item) => settle(node.items!, item))
  return node.properties ? settleObject(node.properties, value as Tree) : value
}

function settleObject(properties: NonNullable<Node['properties']>, value: Tree): Tree {
  const settled = Object.entries(properties).map(([key, property]) => [key, settle(property, value[key])] as const)
  return Object.fromEntries(settled.filter(([, item]) => item !== undefined))
}

/** The member of a union that a sound value is of. */
function memberOf({ anyOf, [choose]: choice }: Node, value: Tree): Node {
  return anyOf!.find(({ properties }) =>
    typeof choice === 'object' && 'tag' in choice
      ? properties![choice.tag]!.const === value[choice.tag]
      : Object.keys(properties!).some(
          (key) => (choice as { keys: readonly string[] }).keys.includes(key) && value[key] !== undefined,
        ),
  )!
}
