// What the stages found, added up, and the runner's terse output.
export class Report {
  passed = 0
  failures = []
  skips = []
  #started = Date.now()

  pass(count = 1) {
    this.passed += count
  }

  fail(name, detail = '') {
    this.failures.push(name)
    console.log(`FAIL ${name}${detail ? `\n${detail.trimEnd()}` : ''}`)
  }

  skip(name, why) {
    this.skips.push({ name, why })
  }

  // One thing that passes by returning and fails by throwing; false when it failed.
  async attempt(name, action) {
    try {
      await action()
      this.pass()
      return true
    } catch (error) {
      this.fail(name, error.message)
      return false
    }
  }

  async stage(name, action) {
    const started = Date.now()
    const [passed, failed] = [this.passed, this.failures.length]
    console.log(`== ${name}`)
    try {
      await action()
    } catch (error) {
      this.fail(name, error.message)
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    console.log(`   ${name}: ${this.passed - passed} passed, ${this.failures.length - failed} failed, ${seconds} s`)
  }

  // The closing lines; the last one is the total.
  finish() {
    for (const { name, why } of this.skips) console.log(`skipped: ${name}: ${why}`)
    for (const name of this.failures) console.log(`failed: ${name}`)
    console.log(`${((Date.now() - this.#started) / 1000).toFixed(0)} s`)
    console.log(`${this.passed} passed, ${this.failures.length} failed, ${this.skips.length} skipped`)
    return this.failures.length === 0 && this.passed > 0
  }
}
