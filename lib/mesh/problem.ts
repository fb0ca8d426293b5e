/** The way from the mesh to a value in it: keys, and indices of lists. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with a mesh. */
export interface Problem {
  /** Where: keys, and indices of lists. Empty: the mesh as a whole. */
  path: (string | number)[]
  /** What is wrong. */
  message: string
  /** What would be right. */
  expected: string
  /** A likely correction. */
  hint?: string
  /** The file that the mesh came from. */
  file?: string
  /** The line in `file`, from 1. */
  line?: number
  /** The column in `line`, from 1. */
  column?: number
}

/** Collects problems, at most {@link limit} of them; the last one then says that there are more. */
export class Problems {
  readonly found: Problem[] = []

  constructor(readonly limit: number) {}

  /** True: further problems would not be kept, so looking for them is no use. */
  get full(): boolean {
    return this.found.length > this.limit
  }

  add(path: Path, message: string, expected: string, hint?: string): void {
    if (this.full) return
    if (this.found.length === this.limit) {
      this.found.push({ path: [], message: `more than ${this.limit} problems`, expected: 'a mesh without problems' })
      return
    }
    const problem: Problem = { path: [...path], message, expected }
    if (hint !== undefined) problem.hint = hint
    this.found.push(problem)
  }
}
