import type { Problem } from './mesh/problem.js'

/** What every `ERR_FLATPROXY_*` code means, and what its reader can do; the code is the key with that prefix. */
// prettier-ignore
const table = {
  MESH:        ['The mesh has problems; `problems` lists all of them.',
                'Correct the listed paths; `flatproxy check FILE` shows them with line and column.'],
  UNSUPPORTED: ['Something that this version, or this kernel, does not carry; of a mesh `problems` lists all of it.',
                'Leave it out, or use a version or kernel that has it.'],
  CONFLICT:    ['The mesh is no longer at the generation that the caller expected.',
                'Read `mesh` and `generation` of the proxy again, and apply the change to them.'],
  PLATFORM:    ['This platform cannot run the native part.',
                'Run it on Linux with glibc: docker run --rm -it --cap-add NET_ADMIN --cap-add BPF -v "$PWD:/app" -w /app node:22 npx flatproxy'],
  NATIVE:      ['The native addon is missing, or could not be loaded.',
                'Reinstall the package on this platform, or build the addon with `npm run build`.'],
  EAL:         ['DPDK could not be initialised.',
                'Run `flatproxy doctor`.'],
  EAL_MEMORY:  ['DPDK is given its memory at the first start of the process, and this needs more.',
                'Start the larger proxy first, or give it a process of its own.'],
  EAL_PCI:     ['DPDK was started without PCI devices, and a port asks for one.',
                'Start the proxy with the PCI port first, or give it a process of its own.'],
  PERMISSION:  ['A capability, or permission on a file, is missing.',
                'Run as root, give the process CAP_NET_ADMIN and CAP_BPF, or use tap ports inside `unshare -Urn`.'],
  NOT_FOUND:   ['An interface, device, network namespace, kernel module or library is not there.',
                'Check the name, and that it exists in the network namespace of the process.'],
  IN_USE:      ['Another process, or another port, has it already.',
                'Stop that process, or choose another name.'],
  RESOURCE:    ['Memory, file descriptors or a kernel table are used up.',
                'Raise the limit (ulimit -n), or lower `flows.capacity` or the number of lanes.'],
  CONFIG:      ['A port or lane cannot be set up with these values.',
                'Correct the values that the message names.'],
  SYSTEM:      ['A system call failed in a way that has no name of its own.',
                'See the message; `flatproxy doctor` tells what this machine lacks.'],
  LANE:        ['A lane could not be started, or was lost.',
                'Run `flatproxy doctor`.'],
  PORT:        ['A port could not be opened, or was lost.',
                'Run `flatproxy doctor`: it says what each type of port lacks on this machine.'],
  CLOSED:      ['The proxy, or the connection to it, is closed.',
                'Start, or connect, again.'],
  CONTROL:     ['The control socket could not be opened or reached.',
                'Check its path, that its folder exists, and that you are the user who runs the proxy.'],
  LOG:         ['The access log could not be opened.',
                'Make its folder, and let the user who runs the proxy write there.'],
  FILE:        ['A file could not be read.',
                'Check its path and its permissions.'],
  CERTIFICATE: ['A certificate or key of a listener cannot be read, is malformed, or is not of the other.',
                'Give files in PEM that belong together; `openssl x509 -in FILE -text` and `openssl pkey -in FILE` show them.'],
  CAPTURE:     ['A capture is no Ethernet capture, is broken, or holds a packet only in part.',
                'Give one as tcpdump or Wireshark writes it; editcap mends and converts.'],
  ARGUMENT:    ['An argument has the wrong type or value.',
                'See the documentation of the function that was called.'],
  INTERNAL:    ['An error in flatproxy itself.',
                'Please report it, with its stack and the output of `flatproxy doctor`.'],
} as const satisfies Record<string, readonly [meaning: string, remedy: string]>

/** The stable codes of {@link FlatProxyError}; {@link errorCodes} says what each means. */
export type ErrorCode = `ERR_FLATPROXY_${keyof typeof table}`

/** Every code with its meaning and what its reader can do, for documentation and for `--help`. */
export const errorCodes: readonly { readonly code: ErrorCode; readonly meaning: string; readonly remedy: string }[] =
  Object.entries(table).map(([key, [meaning, remedy]]) => ({
    code: `ERR_FLATPROXY_${key}` as ErrorCode,
    meaning,
    remedy,
  }))

const remedies: ReadonlyMap<string, string> = new Map(errorCodes.map(({ code, remedy }) => [code, remedy]))

/** What {@link FlatProxyError} is told beside its code and message. */
export interface ErrorDetails {
  /** What the reader can do; default: the code's own remedy in {@link errorCodes}. */
  remedy?: string
  /** The error that led to this one. */
  cause?: unknown
}

/** Every error that flatproxy throws or rejects with, aborts excepted (those are `AbortError`). */
export class FlatProxyError extends Error {
  /** A stable name for the cause, one of {@link errorCodes}; newer native parts may add to them. */
  readonly code: `ERR_FLATPROXY_${string}`
  /** What the reader can do about it. */
  readonly remedy?: string

  constructor(code: ErrorCode | (`ERR_FLATPROXY_${string}` & {}), message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    const remedy = details.remedy || remedies.get(code)
    if (remedy !== undefined) this.remedy = remedy
  }

  static {
    // On the prototype, as for built-in errors: subclasses keep the name, instances do not carry it.
    Object.defineProperty(this.prototype, 'name', { value: 'FlatProxyError', configurable: true, writable: true })
  }
}

/** A mesh was refused. All its problems are told at once. */
export class MeshError extends FlatProxyError {
  declare readonly code: 'ERR_FLATPROXY_MESH'
  /** What is wrong, in the order of the mesh; never empty. */
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], details?: ErrorDetails) {
    super('ERR_FLATPROXY_MESH', describe('The mesh', problems), details)
    this.problems = problems
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'MeshError', configurable: true, writable: true })
  }
}

/** A mesh is valid, and asks for something that is not built yet. Nothing of it was applied. */
export class UnsupportedError extends FlatProxyError {
  declare readonly code: 'ERR_FLATPROXY_UNSUPPORTED'
  /** What is not supported, with its paths; never empty. */
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], details?: ErrorDetails) {
    super('ERR_FLATPROXY_UNSUPPORTED', describe('Not supported yet', problems), details)
    this.problems = problems
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'UnsupportedError', configurable: true, writable: true })
  }
}

function describe(what: string, problems: readonly Problem[]): string {
  const shown = problems.slice(0, 3).map(({ path, message }) => `${path.join('.') || '(the whole)'}: ${message}`)
  const more = problems.length - shown.length
  return `${what}: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}
