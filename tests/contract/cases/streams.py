# SPDX-License-Identifier: Apache-2.0
"""Standard streams: apart, large, slow, kept in the log."""

import hashlib
import os
import threading

from hulltest import require, same
from suite import bulk, case

MIB = 100
REPEAT = "cat >/tmp/block; i=0; while [ $i -lt %d ]; do cat /tmp/block%s; i=$((i+1)); done"


@case("streams-apart")
def streams_apart(box):
    result = box.run("sh", "-c", "echo to-out; echo to-err >&2").ok()
    same((result.out, result.err), (b"to-out\n", b"to-err\n"), "stdout and stderr")


@case("stdin")
def stdin(box):
    same(box.run("cat", stdin=b"first\nsecond").ok().out, b"first\nsecond", "what cat gave back")
    same(box.run("cat", stdin=b"").ok().out, b"", "what cat gave back for nothing")


@case("stdin-closed")
def stdin_closed(box):
    same(box.run("sh", "-c", "cat; readlink /proc/self/fd/9 || echo none").ok().text, "none",
         "without -i, stdin is at its end")


@case("bulk-stdin")
def bulk_stdin(box):
    block, want = bulk(MIB)
    got = box.run("sha256sum", stdin=block * MIB).ok().text.split()[0]
    same(got, want, f"hash of {MIB} MiB of stdin")


def repeated(box, redirect, pick):
    block, want = bulk(MIB)
    result = box.run("sh", "-c", REPEAT % (MIB, redirect), stdin=block).ok()
    same(len(pick(result)), MIB << 20, "bytes")
    same(hashlib.sha256(pick(result)).hexdigest(), want, f"hash of {MIB} MiB")


@case("bulk-stdout")
def bulk_stdout(box):
    repeated(box, "", lambda result: result.out)


@case("bulk-stderr")
def bulk_stderr(box):
    repeated(box, " >&2", lambda result: result.err)


@case("slow-reader")
def slow_reader(box):
    """One reader that stands still holds up its own stream only, and loses nothing."""
    mib = 16
    block, want = bulk(mib)
    name = box.idle()
    args = ["exec", "-i", name, "sh", "-c", REPEAT % (mib, "")]
    with box.hull.popen(*args) as slow:
        slow.stdin.write(block)
        slow.stdin.close()
        first = os.read(slow.stdout.fileno(), 1)
        for i in range(5):
            same(box.hull.text("exec", name, "echo", str(i)), str(i), "output of another process")
        rest = slow.stdout.read()
        same(slow.wait(box.hull.limit_s), 0, "status")
        slow.stdin = None
    same(hashlib.sha256(first + rest).hexdigest(), want, f"hash of {mib} MiB read late")


@case("streams-both-ways")
def both_ways(box):
    """cat gives back what it gets while it gets it: neither direction waits for the other."""
    mib = 16
    block, want = bulk(mib)
    with box.hull.popen(*box.args(["--rm", "-i"], ["cat"])) as process:
        feeder = threading.Thread(target=lambda: (process.stdin.write(block * mib),
                                                  process.stdin.close()))
        feeder.start()
        got = hashlib.sha256(process.stdout.read()).hexdigest()
        feeder.join()
        same(process.wait(box.hull.limit_s), 0, "status")
        process.stdin = None
    same(got, want, f"hash of {mib} MiB through cat")


@case("log")
def log(box):
    name = box.start("sh", "-c", "echo to-out; echo to-err >&2; printf last")
    same(box.wait(name), 0, "status")
    result = box.hull("logs", name).ok()
    same((result.out, result.err), (b"to-out\nlast", b"to-err\n"), "log, each stream on its own")
    same(box.hull("logs", "--tail", "1", name).ok().out, b"last", "last line of the log")


@case("log-follow")
def log_follow(box):
    name = box.start("sh", "-c", "i=0; while [ $i -lt 200 ]; do echo line-$i; i=$((i+1)); done")
    got = box.hull("logs", "-f", name).ok().text.splitlines()
    same(got, [f"line-{i}" for i in range(200)], "followed lines")


@case("attach")
def attach(box):
    """Input goes in; its end does not end the workload's, who was started detached."""
    name = box.name()
    script = "while read line; do echo got-$line; test $line != leave || exit 6; done; echo at-end"
    box.hull(*box.args(["-d", "-i", "--name", name], ["sh", "-c", script])).ok()
    with box.hull.popen("attach", name) as first:
        first.stdin.write(b"one\n")
        first.stdin.flush()
        same(first.stdout.readline(), b"got-one\n", "what the first client sees")
        first.kill()
    result = box.hull("attach", name, stdin=b"two\nleave\n")
    same((result.out, result.status), (b"got-two\ngot-leave\n", 6), "what the second client sees")
    same(box.logs(name), "got-one\ngot-two\ngot-leave\n", "log")
