# SPDX-License-Identifier: Apache-2.0
"""Limits, their change, use of resources, pause."""

import json
import time

from hulltest import eventually, require, same
from suite import case

HOG = "BEGIN { while (1) a[i++] = sprintf(\"%4000s\", i) }"
FORK = "i=0; while [ $i -lt 40 ]; do sleep 1000000 >/dev/null 2>&1 & i=$((i+1)); done; echo all"


@case("memory-limit")
def memory_limit(box):
    """One that takes too much is killed, the kill is told, and a neighbour goes on."""
    neighbour = box.shared()
    name = box.start("awk", HOG, options=["-m", "128m", "--memory-swap", "128m"])
    same(box.wait(name), 137, "status of one killed for memory")
    state = box.state(name)
    same(state["OOMKilled"], True, f"OOMKilled of {state!r}")
    same(box.hull.text("exec", neighbour, "echo", "alive"), "alive", "a neighbour's output")
    plain = box.idle()
    box.hull.text("kill", plain)
    same(box.wait(plain), 137, "status of one killed by hand")
    same(box.state(plain)["OOMKilled"], False, "OOMKilled of one killed by hand")


@case("process-limit")
def process_limit(box):
    result = box.run("sh", "-c", FORK, options=["--pids-limit", "20"])
    require(result.status != 0 and b"all" not in result.out, "40 processes fit into 20")
    require(b"fork" in result.err, f"message: {result.err!r}")
    same(box.sh(FORK, "--pids-limit", "100"), "all", "40 processes in 100")


def spin(box, *options):
    """What eight that spin for two seconds take of the processors, and how long it was."""
    one = "(while [ ! -e /tmp/end ]; do :; done) & "
    script = (f"cat /proc/uptime; {one * 8} sleep 2; touch /tmp/end; wait; cat /proc/uptime; "
              "times >/tmp/times; tail -n 1 /tmp/times")
    began, ended, used = box.sh(script, *options).splitlines()
    parts = [part.rstrip("s").split("m") for part in used.split()]
    return (sum(float(minutes) * 60 + float(seconds) for minutes, seconds in parts),
            float(ended.split()[0]) - float(began.split()[0]))


@case("cpu-limit")
def cpu_limit(box):
    """Held to a third of a processor, where more would be had without the limit."""
    def most(wall):
        return wall * 0.3 * 1.25 + 0.3

    for _ in range(5):
        used, wall = spin(box, "--cpus", "0.3")
        require(0.1 < used < most(wall), f"{used:.1f} s of processor time in {wall:.1f} s")
        free, wall = spin(box)  # shorter than that with a limit
        if free > most(wall) * 1.25:
            return
    require(False, f"too busy a machine to tell: {free:.1f} s of processor time in {wall:.1f} s "
                   "without a limit")


@case("file-limit")
def file_limit(box):
    same(box.sh("ulimit -n; ulimit -Hn", "--ulimit", "nofile=64:96"), "64\n96", "limits")


@case("update")
def update(box):
    name = box.idle("--pids-limit", "100")
    same(box.hull.text("exec", name, "sh", "-c", FORK), "all", "40 processes in 100")
    # Process 1 of a pid namespace is immune to a signal that it does not handle.
    box.hull.text("exec", name, "killall", "sleep")
    box.hull.text("update", "--pids-limit", "20", name)
    result = box.hull("exec", name, "sh", "-c", FORK)
    require(result.status != 0 and b"all" not in result.out, "the lowered limit does not hold")


@case("stats")
def stats(box):
    def read():
        return json.loads(box.hull.text("stats", "--no-stream", "--format", "json", name)
                          .splitlines()[0])
    name = box.idle("-m", "256m")
    before = read()
    box.hull.text("exec", name, "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
    box.hull.text("exec", "-d", name, "sh", "-c", "while :; do :; done")
    same(before["PIDs"], "1", "processes")
    require(before["Name"] == name, f"name is {before['Name']}")
    used, limit = before["MemUsage"].split(" / ")
    require(not used.startswith("0B"), f"memory in use is {used}")
    same(limit, "256MiB", "memory limit")
    eventually(lambda: float(read()["CPUPerc"].rstrip("%")) > 10, "a busy loop shows as CPU use")
    same(read()["PIDs"], "2", "processes, with one more")


@case("pause")
def pause(box):
    """What is paused does nothing, says so, and goes on afterwards."""
    name = box.start("sh", "-c", "while :; do echo tick; sleep 0.02; done")
    box.logged(name, "tick")
    box.hull.text("pause", name)
    same(box.state(name)["Status"], "paused", "status")
    box.hull("logs", name).ok()
    eventually(lambda: still(box, name), "the log stands still")
    require(box.hull("exec", name, "true").status != 0, "exec works in what is paused")
    box.hull.text("unpause", name)
    same(box.state(name)["Status"], "running", "status")
    ticks = box.logs(name).count("tick")
    eventually(lambda: box.logs(name).count("tick") > ticks, "the log goes on")


def still(box, name):
    """True when half a second brings no more output."""
    before = box.logs(name)
    time.sleep(0.5)
    return box.logs(name) == before


BUSY = """
(n=0; until [ -e /stop ]; do n=$((n + 1)); echo $n >>/data; [ $((n % 100)) != 0 ] || sync; done
 seq $n | cmp - /data && echo data is right) &
(until [ -e /stop ]; do sleep 0.01; echo tick; done) &
n=0; until [ -e /stop ]; do n=$((n + 1)); echo line $n; [ $((n % 100)) != 0 ] || sleep 0.01; done
echo lines $n; wait
"""


@case("pause-under-load")
def pause_under_load(box):
    """Paused while it writes to its disk and its output and waits for timers, it loses nothing."""
    name = box.start("sh", "-c", BUSY)
    for _ in range(3):
        ticks, lines = box.logs(name).count("tick"), box.logs(name).count("line")
        eventually(lambda: box.logs(name).count("tick") > ticks + 3, "timers run")
        eventually(lambda: box.logs(name).count("line") > lines + 100, "output goes on")
        box.hull.text("pause", name)
        eventually(lambda: still(box, name), "the log stands still")
        box.hull.text("unpause", name)
    box.hull.text("exec", name, "touch", "/stop")
    same(box.wait(name), 0, "status")
    lines = box.logs(name).splitlines()
    require("data is right" in lines, "the file is not what was written")
    numbers = [int(line.split()[1]) for line in lines if line.startswith("line ")]
    same(f"lines {len(numbers)}" in lines, True, "the output has as many lines as were written")
    require(numbers == list(range(1, len(numbers) + 1)), "lines are lost or out of order")


@case("remove-paused")
def remove_paused(box):
    name = box.idle()
    box.hull.text("pause", name)
    box.hull.text("rm", "-f", name)
    require(box.hull("inspect", name).status != 0, "it can still be inspected")
