import { object, optional, rate, text, type Static } from '../kit.js'

export const accessLog = object(
  {
    file: text('absolutePath', {
      description:
        'The file that lines are appended to; made if there is none. `reopenLogs()` or SIGUSR2 opens it anew.',
    }),
    format: optional(
      text('logFormat', {
        default: 'json',
        description:
          "'json' for a JSON object a line, or a text with fields in it: '%client% \"%method% %path%\" %status%'.",
      }),
    ),
    sample: optional(
      rate('Share of the exchanges that are logged; those with a status of 5xx, or cut, are logged all the same.', 1),
    ),
  },
  { description: 'A line for each exchange of the listeners of protocol http.' },
)

/** Where and how exchanges are logged. */
export type AccessLog = Static<typeof accessLog>
