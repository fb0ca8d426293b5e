// A node:test reporter: one JSON line for each test (suites are only headings).
export default async function* lines(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const { name, skip, todo, file, details } = data
    const passed = type === 'test:pass'
    // A suite or file that passed is no test; one that failed because of its tests is counted by them.
    if (passed && (details?.type === 'suite' || name === file)) continue
    if (details?.error?.failureType === 'subtestsFailed') continue
    const error = details?.error
    const message = error?.signal ?? error?.cause?.message ?? error?.message
    yield `${JSON.stringify({ name, passed, skip, todo, message })}\n`
  }
}
