# SPDX-License-Identifier: Apache-2.0
"""Terminals: size, resize, keys, job control, detaching."""

from hulltest import eventually, same
from suite import case

ON_WINCH = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"


@case("terminal")
def terminal(box):
    script = "test -t 0 && test -t 1 && test -t 2 && tty; echo term=$TERM; exit 3"
    with box.terminal("sh", "-c", script) as term:
        term.expect("/dev/")
        term.expect("term=xterm")
        same(term.end(), 3, "status")
    same(box.sh("test -t 1 || echo none"), "none", "terminal without -t")


@case("terminal-size")
def terminal_size(box):
    with box.terminal("stty", "size", rows=33, cols=101) as term:
        term.expect("33 101")
        same(term.end(), 0, "status")


@case("terminal-resize")
def terminal_resize(box):
    with box.terminal("sh", "-c", ON_WINCH) as term:
        term.expect("ready")
        term.resize(40, 120)
        term.expect("40 120")
        term.resize(41, 99)
        term.expect("41 99")


@case("terminal-interrupt")
def terminal_interrupt(box):
    script = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    with box.terminal("sh", "-c", script) as term:
        term.expect("ready")
        term.type("\x03")
        term.expect("interrupted")
        same(term.end(), 9, "status")


@case("terminal-job-control")
def terminal_job_control(box):
    with box.terminal("sh", "-i", options=["-e", "PS1=prompt> "]) as term:
        term.expect("prompt> ")
        term.type("sleep 1000000\n")
        term.expect("\n")
        # The shell hands the terminal to the job some time after the echo: type until it works.
        def stopped():
            term.type("\x1a")
            return b"topped" in term.peek()
        eventually(stopped, "^Z stops the foreground job", box.hull.limit_s)
        term.type("exit 3\n")
        term.expect("stopped jobs")
        term.type("exit 3\n")
        same(term.end(), 3, "status")


@case("terminal-detach")
def terminal_detach(box):
    name = box.name()
    args = box.args(["-it", "--name", name], ["sh", "-c", "echo ready; read word; echo got-$word"])
    with box.hull.terminal(*args) as term:
        term.expect("ready")
        term.type("\x10\x11")
        same(term.end(), 0, "status of a client that detached")
    same(box.state(name)["Running"], True, "still running after detaching")
    with box.hull.terminal("attach", name) as term:
        term.type("again\n")
        term.expect("got-again")
        same(term.end(), 0, "status")
