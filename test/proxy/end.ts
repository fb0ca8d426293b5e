import type { Host, Packet } from './host.js'

/** One end of a connection, as a host keeps it. */
export class End {
  next: number
  expected = 0

  constructor(
    private readonly host: Host,
    private readonly from: string,
    private readonly to: string,
    start: number,
  ) {
    this.next = start
  }

  send(flags: string, payload = ''): void {
    const { from, to, next: sequence, expected: acknowledgment } = this
    this.host.send({ protocol: 'tcp', from, to, flags, sequence, acknowledgment, payload })
    this.next += payload.length + (flags.includes('S') ? 1 : 0)
  }

  took({ sequence, payload = '', flags }: Packet): void {
    this.expected = sequence! + payload.length + (flags!.includes('S') ? 1 : 0)
  }
}
