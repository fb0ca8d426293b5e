/** What a line of the access log may hold, in the order of a JSON line; in a format a name stands between `%`. */
export const logFields = [
  'time',
  'listener',
  'route',
  'service',
  'endpoint',
  'client',
  'method',
  'host',
  'path',
  'protocol',
  'status',
  'outcome',
  'flags',
  'tries',
  'bytesIn',
  'bytesOut',
  'duration',
  'firstByte',
  'userAgent',
  'referer',
  'forwardedFor',
  'requestId',
  'traceparent',
] as const

/** What is wrong with a format of the access log, if anything is. */
export function logFormatFault(format: string): string | undefined {
  if (format === 'json') return undefined
  for (const [found, name = '', end] of format.matchAll(/%([^%]*)(%?)/g)) {
    if (end === '') return `${JSON.stringify(found)} is not ended by '%'`
    if (name !== '' && !(logFields as readonly string[]).includes(name)) return `there is no field '${name}'`
  }
  return undefined
}
