# SPDX-License-Identifier: Apache-2.0
"""What tests of the programs share: run hull, wait with deadlines, drive a terminal, see leaks."""

import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

POLL_S = 0.02
# How many times slower this machine is than those that all time limits were chosen for.
SLOW = float(os.environ.get("HULL_TEST_SLOW", "1"))


class Failure(Exception):
    """What a test found wrong."""


def require(condition, what):
    if not condition:
        raise Failure(what)


def same(got, want, what):
    if got != want:
        raise Failure(f"{what}: {short(got)} instead of {short(want)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-60:]}"


def eventually(probe, what, seconds=20 * SLOW):
    """The first true value of probe(); Failure when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(POLL_S)


class Result:
    """How a command ended: status (-n: killed by signal n) and its bytes."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    @property
    def text(self):
        return self.out.decode(errors="replace").strip()

    def ok(self):
        """This result, or Failure when the command failed."""
        if self.status != 0:
            raise Failure(f"'{' '.join(map(str, self.args))}' ended with {self.status}: "
                          f"{short(self.err.decode(errors='replace'))}")
        return self


class Hull:
    """The command line, with a store of its own."""

    def __init__(self, build, root, run_root, limit_s=60):
        self.program = os.environ.get("HULL_PROGRAM", str(build / "bin" / "hull"))
        self.roots = ["--root", str(root), "--run-root", str(run_root)]
        self.root, self.run_root = pathlib.Path(root), pathlib.Path(run_root)
        self.limit_s = limit_s * SLOW
        # What a process inherits tells leaks.py whose it is.
        self.env = dict(os.environ, HULL_TEST_STORE=str(root))

    def argv(self, *args):
        return [self.program, *self.roots, *map(os.fsdecode, args)]

    def __call__(self, *args, stdin=b""):
        """Run to the end; a Result."""
        with self.popen(*args) as process:
            try:
                out, err = process.communicate(stdin, timeout=self.limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise Failure(f"hung for {self.limit_s} s: hull {' '.join(map(str, args))}") from None
        return Result(args, process.returncode, out, err)

    def popen(self, *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
        return subprocess.Popen([os.fsencode(a) for a in self.argv(*args)], stdin=stdin,
                                stdout=stdout, stderr=stderr, env=self.env)

    def text(self, *args):
        """Standard output of a command that must succeed."""
        return self(*args).ok().text

    def inspect(self, name):
        return json.loads(self.text("inspect", name))[0]

    def terminal(self, *args, rows=24, cols=80):
        return Terminal(self.argv(*args), self.env, rows, cols, self.limit_s)


class Terminal:
    """A command that has a terminal as its controlling one, and a person who types."""

    def __init__(self, argv, env, rows, cols, limit_s):
        self.seen, self.limit_s = b"", limit_s
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execve(argv[0], argv, env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self, deadline):
        ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def peek(self, seconds=0.2):
        """What has been shown since the last expect(), after waiting a moment for more."""
        self._read(time.monotonic() + seconds)
        return self.seen

    def expect(self, text):
        """Wait until text has been shown; forget everything up to its end."""
        want, deadline = text.encode(), time.monotonic() + self.limit_s
        while want not in self.seen:
            if not self._read(deadline):
                raise Failure(f"the terminal never showed {text!r} but {short(self.seen)}")
        self.seen = self.seen.split(want, 1)[1]

    def end(self):
        """Wait for the command; its exit status."""
        deadline = time.monotonic() + self.limit_s
        while self._read(deadline):
            pass
        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid else None
        status = eventually(ended, "the command on the terminal ends", self.limit_s)[0]
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


class Scratch:
    """A directory below the build directory for one run of tests, removed at the end."""

    def __init__(self, build):
        (build / "tmp").mkdir(parents=True, exist_ok=True)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="t.", dir=build / "tmp"))
        self.path.chmod(0o755)

    def dir(self, name):
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def remove(self):
        shutil.rmtree(self.path)
