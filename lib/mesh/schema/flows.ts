import { duration, object, optional, whole, word, type Static } from '../kit.js'
import { limits } from '../limits.js'

const timeout = (value: `${number}${'s' | 'm'}`, description: string) =>
  optional(duration({ minimum: 10, maximum: 30 * 24 * 3_600_000, default: value, description }))

const timeouts = object(
  {
    tcpSynSent: timeout('30s', 'The client has sent its SYN.'),
    tcpSynReceived: timeout('30s', 'The server has answered it.'),
    // Linux' nf_conntrack keeps an idle connection for 5 days and overflows under load for it; RFC 5382 REQ-5 asks for
    // at least 2 h 4 min, so that one TCP keep-alive (2 h by default) always comes in time.
    tcpEstablished: timeout('124m', 'Both directions are open, and nothing is sent.'),
    tcpFinWait: timeout('2m', 'One side has closed.'),
    tcpCloseWait: timeout('60s', 'The close is acknowledged, the other side still open.'),
    tcpLastAck: timeout('30s', 'Both have closed; the last acknowledgement is due.'),
    tcpTimeWait: timeout('2m', 'All is said; late segments may come.'),
    tcpClose: timeout('10s', 'After a reset.'),
    udp: timeout('30s', 'One direction was seen.'),
    udpAssured: timeout('3m', 'Both directions were seen.'),
    icmp: timeout('30s', 'An echo.'),
    fragment: timeout('30s', 'What is known of a fragmented packet (RFC 791, RFC 8200).'),
  },
  { default: {}, description: 'How long an idle flow is kept, by its state. From 10 ms to 30 days.' },
)

const alarm = (what: string, initial: number) =>
  optional(
    whole({
      minimum: 0,
      maximum: 1_000_000,
      default: initial,
      description: `So many ${what} of a flow within a second are told by the event flow:alarm. 0: never.`,
    }),
  )
const roce = object(
  { nakAlarm: alarm('NAKs', 10), cnpAlarm: alarm('congestion notifications (CNP)', 1_000) },
  { default: {}, description: 'What is worth an alarm in RoCEv2.' },
)

export const flows = object(
  {
    capacity: optional(
      whole({
        minimum: 64,
        maximum: limits.flowCapacity,
        default: 262_144,
        description: 'Flows of a lane. A full table evicts unassured flows first, then refuses new ones.',
      }),
    ),
    midstream: optional(
      word(['adopt', 'reject'], {
        default: 'adopt',
        description:
          'What becomes of a TCP flow that runs already when it is first seen: taken up as it is, or refused.',
      }),
    ),
    track: optional(
      word(['all', 'services'], {
        default: 'all',
        description: "'services': only flows of services are tracked; what is merely routed has no state.",
      }),
    ),
    timeouts: optional(timeouts),
    roce: optional(roce),
  },
  { description: 'How flows are tracked.' },
)

/** How flows are tracked: capacity, mid-stream pick-up, timeouts. */
export type Flows = Static<typeof flows>
