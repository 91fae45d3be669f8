# SPDX-License-Identifier: Apache-2.0
"""How the first process is started, signalled and how its end is told."""

from hulltest import eventually, require, same
from suite import case

SIGNALS = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "CONT"]

# Prints "ready", then the name of each signal that comes, until told to leave by ALRM.
LISTEN = "".join(f"trap 'echo got-{name}' {name}; " for name in SIGNALS) + (
    "trap 'exit 7' ALRM; echo ready; while :; do sleep 0.05; done")


@case("exit-status")
def exit_status(box):
    for status in (0, 3, 255):
        same(box.run("sh", "-c", f"exit {status}").status, status, "exit status")


@case("exit-by-signal")
def exit_by_signal(box):
    name = box.idle()
    box.hull.text("kill", name)
    same(box.wait(name), 137, "status after SIGKILL, from wait")
    same(box.state(name)["ExitCode"], 137, "status after SIGKILL, from inspect")


@case("command-not-found")
def command_not_found(box):
    result = box.run("no-such-command")
    same(result.status, 127, "status of a command that is not in the image")
    require(b"no-such-command" in result.err, "the message does not name the command")
    same(box.run("/no/such/path").status, 127, "status of a path that is not in the image")


@case("command-not-executable")
def command_not_executable(box):
    same(box.run("/etc/passwd").status, 126, "status of a file that is not executable")
    same(box.run("/etc").status, 126, "status of a directory")


@case("signals")
def signals(box):
    name = box.start("sh", "-c", LISTEN)
    box.logged(name, "ready")
    for signal in SIGNALS:
        box.hull.text("kill", "-s", signal, name)
        box.logged(name, f"got-{signal}")
    box.hull.text("kill", "--signal", "SIGALRM", name)
    same(box.wait(name), 7, "status after the last signal")


@case("signal-to-client")
def signal_to_client(box):
    name = box.name()
    args = box.args(["--name", name], ["sh", "-c", LISTEN])
    with box.hull.popen(*args) as client:
        box.hull.limit_s, limit = box.hull.limit_s / 3, box.hull.limit_s
        try:
            eventually(lambda: box.hull("logs", name).out.startswith(b"ready"), "ready", limit)
            client.send_signal(10)
            box.logged(name, "got-USR1")
            client.send_signal(14)
            same(client.wait(limit), 7, "status of a client that was sent SIGALRM")
        finally:
            box.hull.limit_s = limit
            client.kill()


@case("stop")
def stop(box):
    name = box.start("sh", "-c", LISTEN)
    box.logged(name, "ready")
    box.hull.text("stop", "-t", "1", name)
    require("got-TERM" in box.logs(name), "stop sent no SIGTERM first")
    same(box.wait(name), 137, "status of one that ignores SIGTERM")


@case("stop-signal")
def stop_signal(box):
    script = "trap 'exit 5' USR2; trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"
    name = box.start("sh", "-c", script, options=["--stop-signal", "SIGUSR2"])
    box.logged(name, "ready")
    box.hull.text("stop", name)
    same(box.wait(name), 5, "status of one stopped with its own signal")


@case("arguments")
def arguments(box):
    words = [b"two words", b"", b"'\"$HOME\\n", b"line\nbreak", b"\xff\xfe not utf-8", "ü".encode()]
    out = box.run("printf", "[%s]", *words).ok().out
    same(out, b"".join(b"[%s]" % word for word in words), "arguments")


@case("environment")
def environment(box):
    out = box.run("env", options=["-e", "A=one two", "-e", "EMPTY=", "-e", "A=last"]).ok().text
    lines = out.splitlines()
    require("A=last" in lines and "EMPTY=" in lines, f"variables given with -e: {lines}")
    require(any(line.startswith("PATH=/") for line in lines), "PATH is not set")
    require("HOME=/root" in lines, "HOME is not set from passwd")
    require(not any("HULL" in line for line in lines), f"our own variables are visible: {lines}")


@case("working-directory")
def working_directory(box):
    same(box.sh("pwd", "-w", "/etc"), "/etc", "working directory")
    same(box.sh("pwd", "-w", "/made/on demand"), "/made/on demand", "one that is not in the image")


@case("user")
def user(box):
    same(box.sh("id -u; id -g", "-u", "1234:4321"), "1234\n4321", "numeric user and group")
    same(box.sh("id -un; touch /root/x 2>&1 | grep -c denied", "-u", "nobody"), "nobody\n1",
         "user by name")
    require(box.run("true", options=["-u", "no-such-user"]).status == 125,
            "an unknown user is not refused")


@case("groups")
def groups(box):
    same(box.sh("id -G", "-u", "1234:4321", "--group-add", "55", "--group-add", "56"),
         "4321 55 56", "groups")
    same(box.sh("id -G", "-u", "1234:4321"), "4321", "groups, when none are added")


@case("capabilities")
def capabilities(box):
    read = "grep -E 'Cap(Inh|Bnd|Eff|Amb)' /proc/self/status | tr -d '\\t'"
    one = "CapInh:0000000000000000\nCapEff:0000000000000001\nCapBnd:0000000000000001\n" \
          "CapAmb:0000000000000000"
    same(box.sh(read, "--cap-drop", "ALL", "--cap-add", "CHOWN"), one, "all dropped but CHOWN")
    default = int(box.sh("sed -n 's/CapEff:.//p' /proc/self/status"), 16)
    require(default & 1, "root may not chown by default")
    for number, name in ((21, "SYS_ADMIN"), (16, "SYS_MODULE"), (12, "NET_ADMIN"), (19, "SYS_PTRACE")):
        require(not default >> number & 1, f"{name} is among the default capabilities")


@case("no-new-privileges")
def no_new_privileges(box):
    same(box.sh("grep NoNewPrivs /proc/self/status | tr -d '\\t'"), "NoNewPrivs:1", "flag")


@case("seccomp")
def seccomp(box):
    same(box.sh("grep Seccomp: /proc/self/status | tr -d '\\t'"), "Seccomp:2", "mode")
    require(box.run("unshare", "-U", "true").status != 0, "unshare(CLONE_NEWUSER) is allowed")
    same(box.sh("grep Seccomp: /proc/self/status | tr -d '\\t'", "--security-opt",
                "seccomp=unconfined"), "Seccomp:0", "mode when unconfined")


@case("own-processes")
def own_processes(box):
    same(box.sh("echo $$"), "1", "number of the first process")
    same(box.sh("ls /proc >/tmp/seen; grep -c '^[0-9]' /tmp/seen"), "2", "processes seen: sh and ls")


@case("children-end")
def children_end(box):
    name = box.start("sh", "-c", "sleep 1000000 & sleep 1000000 & echo ready; wait")
    box.logged(name, "ready")
    same(len(box.hull.text("top", name).splitlines()), 4, "lines of top")
    box.hull.text("kill", name)
    same(box.wait(name), 137, "status")
    same(box.state(name)["Running"], False, "running after the end")


@case("init")
def init(box):
    script = "sh -c 'sleep 0.01 &' ; cat /proc/1/comm; exit 4"
    result = box.run("sh", "-c", script, options=["--init"])
    require(b"hull-init" in result.out, f"process 1 is {result.text}")
    same(result.status, 4, "status through hull-init")
    name = box.start("sh", "-c", "(sleep 0.05 &) ; echo ready; sleep 1000000", options=["--init"])
    box.logged(name, "ready")
    script = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '"
    eventually(lambda: box.hull("exec", name, "sh", "-c", script).text == "0", "orphans are reaped")
    box.hull.text("stop", name)
    same(box.wait(name), 143, "status after stop: SIGTERM reaches the command")
