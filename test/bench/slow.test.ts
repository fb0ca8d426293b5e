// bench/client/slow.c: what is to be slower is, however it writes; else the instrument would be checked against nothing.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-slow-'))
const [library, program] = [join(folder, 'slow.so'), join(folder, 'writer')]

/** Writes in the way that it is told, and prints how much CPU time that took, in nanoseconds. */
const writer = `#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
int main(int count, char** words) {
  const int fd = open("/dev/null", O_WRONLY);
  const struct iovec part = {"x", 1};
  for (int i = 0; i < 300000 && count == 2; ++i) {
    if (words[1][0] == 'w' && write(fd, "x", 1) != 1) return 1;
    if (words[1][0] == 'v' && writev(fd, &part, 1) != 1) return 1;
    if (words[1][0] == 's' && syscall(SYS_writev, fd, &part, 1) != 1) return 1;
  }
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  printf("%lld", t.tv_sec * 1000000000ll + t.tv_nsec);
}
`

function cpuTime(way: string, percent?: number): number {
  const slower = { LD_PRELOAD: library, FLATPROXY_BENCH_SLOW_PERCENT: String(percent) }
  const env = { ...process.env, ...(percent !== undefined && slower) }
  return Number(execFileSync(program, [way], { encoding: 'utf8', env }))
}

describe('what makes a program slower', () => {
  before(() => {
    writeFileSync(join(folder, 'writer.c'), writer)
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', library, 'bench/client/slow.c', '-ldl'])
    execFileSync('gcc', ['-O2', '-o', program, join(folder, 'writer.c')])
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const [way, name] of [
    ['w', 'write()'],
    ['v', 'writev()'],
    ['s', 'syscall()'],
  ] as const)
    it(`does so to one that uses ${name}`, () => {
      const plain = Math.min(cpuTime(way), cpuTime(way), cpuTime(way))
      const slow = Math.min(cpuTime(way, 100), cpuTime(way, 100), cpuTime(way, 100))
      assert.ok(slow > 1.5 * plain, `${slow} ns, ${plain} ns by itself`)
    })
})
