# SPDX-License-Identifier: Apache-2.0
"""Life cycle: create, start, restart, wait, remove, and what a failure leaves."""

import leaks
from hulltest import eventually, require, same
from suite import case


@case("create-start")
def create_start(box):
    name = box.name()
    box.hull(*box.args(["--name", name], ["sh", "-c", "echo ran; exit 3"], verb="create")).ok()
    same(box.state(name)["Status"], "created", "status")
    same(box.logs(name), "", "log before the start")
    same(box.hull("start", "-a", name).status, 3, "status of start --attach")
    same(box.logs(name), "ran\n", "log")
    same(box.hull("start", "-a", name).status, 3, "status, the second time")
    same(box.logs(name), "ran\nran\n", "log, after the second time")


@case("restart")
def restart(box):
    name = box.start("sh", "-c", "echo up; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    box.logged(name, "up")
    first = box.state(name)["StartedAt"]
    box.hull.text("restart", name)
    eventually(lambda: box.logs(name).count("up") == 2, "it comes up again", box.hull.limit_s)
    require(box.state(name)["StartedAt"] > first, "the time of its start has not changed")
    same(box.state(name)["Running"], True, "running")


@case("wait-many")
def wait_many(box):
    name = box.start("sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")
    box.logged(name, "ready")
    waiters = [box.hull.popen("wait", name) for _ in range(5)]
    box.hull.text("kill", "-s", "USR1", name)
    for waiter in waiters:
        out, _ = waiter.communicate(timeout=box.hull.limit_s)
        same(out, b"9\n", "what a waiter was told")


@case("level-named")
def level_named(box):
    found = box.hull.inspect(box.shared())
    same(found["Isolation"]["Level"], box.level, "level in inspect")
    require(found["State"]["Running"] and found["State"]["Pid"] > 0, "no process stands for it")


@case("destroy-after-failure")
def destroy_after_failure(box):
    """Whatever stops a start, nothing of it stays."""
    box.run("true").ok()
    before = leaks.snapshot(box.suite.scratch.path)
    files = tree(box)
    failures = {
        "unknown command": (["no-such-command"], []),
        "unknown user": (["true"], ["-u", "no-such-user"]),
        "unknown group": (["true"], ["--group-add", "no-such-group"]),
        "mount over a file": (["true"], ["--tmpfs", "/etc/passwd/x"]),
        "bind of a directory onto a file": (["true"], ["-v", f"{box.dir}:/etc/passwd"]),
        "working directory that is a file": (["true"], ["-w", "/etc/passwd"]),
    }
    for what, (command, options) in failures.items():
        result = box.run(*command, options=options)
        require(result.status in (125, 126, 127), f"{what}: status {result.status}")
        require(result.err.startswith(b"hull: "), f"{what}: message {result.err!r}")
        same(leaks.left(before, box.suite.scratch.path), [], f"{what}: left behind")
        same(tree(box), files, f"{what}: files in the store and the run directory")


@case("failed-start-then-good")
def failed_start(box):
    """A workload whose start failed can be removed, and its name used again."""
    name = box.name()
    same(box.hull(*box.args(["-d", "--name", name], ["no-such-command"])).status, 127, "status")
    box.hull.text("rm", name)
    box.hull(*box.args(["-d", "--name", name], ["true"])).ok()
    same(box.wait(name), 0, "status of the next one")


def tree(box):
    """Names of what a workload may leave in the store and the run directory."""
    roots = [box.hull.run_root, *(box.hull.root / name for name in ("rw", "logs", "tmp"))]
    return sorted(str(path) for root in roots for path in root.glob("*"))


@case("cycles")
def cycles(box):
    """Create, use, destroy, over and over: no process, mount, cgroup, loop device or file more."""
    def cycle():
        name = box.name()
        box.hull(*box.args(["-d", "--name", name, "--tmpfs", "/scratch", "-v", f"{box.dir}:/data"],
                           ["sleep", "1000000"])).ok()
        box.hull.text("exec", name, "true")
        box.hull.text("rm", "-f", name)
    box.shared()
    cycle()
    before, files = leaks.snapshot(box.suite.scratch.path), tree(box)
    for _ in range(box.suite.cycles):
        cycle()
    same(leaks.left(before, box.suite.scratch.path), [], "left behind")
    same(tree(box), files, "files in the store and the run directory")
