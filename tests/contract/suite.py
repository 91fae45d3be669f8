# SPDX-License-Identifier: Apache-2.0
"""The contract suite: a list of cases, the same for every isolation level, and what they use."""

import contextlib
import hashlib
import importlib
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
sys.path.insert(0, str(HERE))

from hulltest import Failure, Hull, Scratch, eventually  # noqa: E402

IMAGE = "busybox"
TOPICS = ["process", "streams", "terminal", "execs", "limits", "mounts", "files", "life"]
CASES = {}


def case(name):
    """Register a function of one Box as the contract case called name."""
    def register(function):
        assert name not in CASES, name
        CASES[name] = function
        return function
    return register


def load_cases():
    for topic in TOPICS:
        importlib.import_module(f"cases.{topic}")
    return CASES


class Suite:
    """One level under test, with a store that has one image."""

    def __init__(self, build, level, cycles=10):
        self.build, self.level, self.cycles = build, level, cycles
        self.scratch = Scratch(build)
        self.hull = Hull(build, self.scratch.dir("root"), self.scratch.dir("run"),
                         limit_s=120 if level == "vm" else 60)
        if level == "fake":
            self.hull.env["HULL_LIBEXEC"] = str(self._fake_libexec())
        self.count = 0
        self.shared_name = None
        self.hull("image", "bootstrap", IMAGE).ok()

    def _fake_libexec(self):
        """Our programs, with the monitor that knows the level called fake."""
        libexec = self.scratch.dir("libexec")
        for program in (self.build / "bin").iterdir():
            if program.name.startswith("hull-") and program.is_file():
                source = self.build / "tests" / "contract" / program.name
                os.link(source if source.exists() else program, libexec / program.name)
        return libexec

    def run_case(self, name):
        """None, or why it failed."""
        box = Box(self, name)
        try:
            CASES[name](box)
            return None
        except Failure as failure:
            return str(failure)
        except Exception as error:  # output of a shape that the case did not expect
            return f"{type(error).__name__}: {error}"
        finally:
            box.clean()

    def drop_shared(self):
        if self.shared_name:
            self.hull("rm", "-f", self.shared_name)
            self.shared_name = None

    def close(self):
        """Remove everything; what is in the way of that."""
        self.drop_shared()
        for name in self.hull("ps", "-aq").text.split():
            self.hull("rm", "-f", name)
        self.hull("volume", "prune", "--force")
        self.hull("image", "rm", "-f", IMAGE)
        self.hull("system", "prune", "--force")
        self.scratch.remove()


class Box:
    """What one case works with: workloads at the suite's level, and a directory of the host."""

    def __init__(self, suite, name):
        self.suite, self.hull, self.level = suite, suite.hull, suite.level
        suite.count += 1
        self.prefix = f"c{suite.count}"
        self.names, self.volumes = [], []
        self._dir = None

    @property
    def dir(self):
        """An empty directory of the host."""
        if not self._dir:
            self._dir = self.suite.scratch.dir(self.prefix)
        return self._dir

    def name(self):
        self.names.append(f"{self.prefix}-{len(self.names)}")
        return self.names[-1]

    def volume(self):
        self.volumes.append(f"{self.prefix}-v{len(self.volumes)}")
        return self.volumes[-1]

    def args(self, options, command, verb="run", image=IMAGE):
        return [verb, "--isolation", self.level, *options, image, *command]

    def run(self, *command, options=(), stdin=None):
        """Run to the end and remove; a Result."""
        options = ["--rm", *(["-i"] if stdin is not None else []), *options]
        return self.hull(*self.args(options, command), stdin=stdin or b"")

    def sh(self, script, *options, stdin=None):
        """What a shell script prints that must succeed."""
        return self.run("sh", "-c", script, options=options, stdin=stdin).ok().text

    def start(self, *command, options=()):
        """Start in the background; its name."""
        name = self.name()
        self.hull(*self.args(["-d", "--name", name, *options], command)).ok()
        return name

    def idle(self, *options):
        """A workload that waits; its name."""
        return self.start("sleep", "1000000", options=options)

    def shared(self):
        """A waiting workload that many cases may use, none may change beyond /tmp."""
        if not self.suite.shared_name:
            self.suite.shared_name = "shared"
            self.hull(*self.args(["-d", "--name", "shared"], ["sleep", "1000000"])).ok()
        return self.suite.shared_name

    def terminal(self, *command, options=(), rows=24, cols=80):
        return self.hull.terminal(*self.args(["--rm", "-it", *options], command), rows=rows,
                                  cols=cols)

    def logs(self, name):
        return self.hull("logs", name).ok().out.decode(errors="replace")

    def logged(self, name, text):
        """Wait until the log of a workload has text."""
        eventually(lambda: text in self.logs(name), f"{text!r} in the log of {name}",
                   self.hull.limit_s)

    def state(self, name):
        return self.hull.inspect(name)["State"]

    def wait(self, name):
        """Wait for the end; the exit status that hull wait prints."""
        return int(self.hull.text("wait", name))

    def clean(self):
        for name in self.names:
            with contextlib.suppress(Failure):
                self.hull("rm", "-f", name)
        for name in self.volumes:
            with contextlib.suppress(Failure):
                self.hull("volume", "rm", name)


def bulk(mib):
    """A block of 1 MiB that does not repeat, and the hash of it repeated mib times."""
    block = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(32768))
    digest = hashlib.sha256()
    for _ in range(mib):
        digest.update(block)
    return block, digest.hexdigest()


def report(number, name, started, why, what_failed="not ok"):
    """One line of the Test Anything Protocol, with the reason of a failure below it."""
    seconds = time.monotonic() - started
    print(f"{'ok' if why is None else what_failed} {number} - {name} # {seconds:.1f} s", flush=True)
    if why is not None:
        print("".join(f"  # {line}\n" for line in why.splitlines()), end="", flush=True)
