/** Classes of RoCEv2's opcodes, in the addon's order (native/wire/roce.h). */
export const roceClasses = ['send', 'write', 'read', 'atomic', 'ack', 'cnp', 'other'] as const
export type RoceClass = (typeof roceClasses)[number]
/** RoCEv2's UDP port. */
export const rocePort = 4791
