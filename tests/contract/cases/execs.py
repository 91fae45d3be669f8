# SPDX-License-Identifier: Apache-2.0
"""Further processes in a running workload."""

from hulltest import eventually, require, same
from suite import case

MANY = 16


@case("exec-status")
def exec_status(box):
    name = box.shared()
    for status in (0, 3, 255):
        same(box.hull("exec", name, "sh", "-c", f"exit {status}").status, status, "exit status")
    same(box.hull("exec", name, "sh", "-c", "kill -9 $$").status, 137, "status after SIGKILL")
    same(box.hull("exec", name, "no-such-command").status, 127, "status of an unknown command")
    same(box.hull("exec", name, "/etc/passwd").status, 126, "status of what is not executable")


@case("exec-streams")
def exec_streams(box):
    name = box.shared()
    result = box.hull("exec", "-i", name, "sh", "-c", "cat; echo to-err >&2", stdin=b"to-out")
    same((result.out, result.err), (b"to-out", b"to-err\n"), "stdout and stderr")


@case("exec-settings")
def exec_settings(box):
    name = box.idle("-e", "BASE=base", "-w", "/etc", "-u", "12:34")
    script = "echo $BASE; pwd; id -u; id -g"
    same(box.hull.text("exec", name, "sh", "-c", script), "base\n/etc\n12\n34",
         "environment, directory and user are the workload's")
    got = box.hull.text("exec", "-e", "BASE=mine", "-w", "/tmp", "-u", "56:78", name, "sh", "-c",
                        script)
    same(got, "mine\n/tmp\n56\n78", "environment, directory and user of its own")
    same(box.hull("exec", "-w", "/absent", name, "true").status, 125, "status without directory")
    same(box.hull.text("exec", name, "sh", "-c", "ls -d /absent 2>/dev/null | wc -l"), "0",
         "directories made by exec")


@case("exec-confined")
def exec_confined(box):
    """An exec'd process is held as tightly as the first one."""
    read = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/%s/status"
    name = box.shared()
    same(box.hull.text("exec", name, "sh", "-c", read % "self"),
         box.hull.text("exec", name, "sh", "-c", read % "1"), "confinement")
    same(box.hull.text("exec", name, "sh", "-c", "ls /proc/self/fd | wc -l"), "4",
         "descriptors: three, and the one of ls")


@case("exec-terminal")
def exec_terminal(box):
    name = box.shared()
    script = "stty size; trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.05; done"
    with box.hull.terminal("exec", "-it", name, "sh", "-c", script, rows=17, cols=71) as term:
        term.expect("17 71")
        term.expect("ready")
        term.resize(18, 72)
        term.expect("18 72")
        same(term.end(), 4, "status")


@case("exec-many")
def exec_many(box):
    name = box.shared()
    processes = [box.hull.popen("exec", "-i", name, "sh", "-c", f"read x; echo {i}-$x; exit {i}")
                 for i in range(MANY)]
    # All are alive at once: none gets its line before every one has been started.
    for process in processes:
        process.stdin.write(b"line\n")
        process.stdin.flush()
    for i, process in enumerate(processes):
        out, _ = process.communicate(timeout=box.hull.limit_s)
        same((out, process.returncode), (b"%d-line\n" % i, i), f"output and status of number {i}")


@case("exec-detached")
def exec_detached(box):
    name = box.shared()
    same(box.hull.text("exec", "-d", name, "sh", "-c", "echo x >/tmp/detached; sleep 1000000"), "",
         "output of exec -d")
    eventually(lambda: box.hull("exec", name, "cat", "/tmp/detached").out == b"x\n",
               "the detached process has written")


@case("exec-ends-with-workload")
def exec_ends(box):
    name = box.idle()
    with box.hull.popen("exec", name, "sh", "-c", "echo ready; sleep 1000000") as process:
        same(process.stdout.readline(), b"ready\n", "first line")
        box.hull.text("kill", name)
        same(process.wait(box.hull.limit_s), 137, "status of exec once the workload was killed")
    result = box.hull("exec", name, "true")
    require(result.status not in (0, 126, 127), "exec in an ended workload succeeds")
    require(b"not running" in result.err, f"message: {result.err!r}")


@case("exec-seen-in-top")
def exec_top(box):
    name = box.idle()
    box.hull.text("exec", "-d", name, "sleep", "7654321")
    lines = box.hull.text("top", name)
    require("sleep 1000000" in lines and "sleep 7654321" in lines, f"top shows {lines}")
