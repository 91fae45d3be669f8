#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""leaks.py save FILE DIR | check FILE DIR - what of Hull's is on this machine, and is it more than before?

Looks at processes, mounts, cgroups, loop devices and the default store directories. Namespaces
need no look of their own: one lives on only through a process or a mount (of nsfs).

DIR has the stores of the tests that are judged. Others may use Hull at the same time; what is
known to be theirs is left out:
- a program of ours is the tests' own when its arguments or environment name DIR;
- a workload belongs to the ancestor that is not in its cgroup; one whose ancestor has died has
  been left behind, whoever made it, and so has an empty cgroup;
- mounts and loop devices are judged by their paths;
- the default store directories count unless they were there before.
What comes and goes while it is looked at is at work and not left behind.
"""

import json
import os
import pathlib
import re
import sys
import time

OURS = ("hull", "qemu-system", "virtiofsd")
OUTSIDE = ("/var/lib/hull", "/run/hull")
REAPERS = ("systemd", "init")
SETTLE_S = 10


class Process:
    """What is to be known of one process, or OSError when it has gone."""

    def __init__(self, folder, scope):
        stat = (folder / "stat").read_text(errors="replace")
        self.comm = stat[stat.index("(") + 1:stat.rindex(")")]
        fields = stat.rsplit(")", 1)[1].split()
        self.dead, self.parent, self.start = fields[0] in "ZX", int(fields[1]), fields[19]
        self.pid = int(folder.name)
        found = re.search(r"/(hull-[^/\n]+)", (folder / "cgroup").read_text())
        self.cgroup = found.group(1) if found else None
        names = [folder / "cmdline", folder / "environ"]
        self.named = any(os.fsencode(scope) in name.read_bytes() for name in names)
        self.ours = self.named and self.comm.startswith(OURS) and not self.dead

    def __str__(self):
        # Not its name, which changes with exec.
        return f"process {self.pid} started {self.start}"


def all_processes(scope):
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = Process(folder, scope)
            except (OSError, ValueError):
                continue
    return found


def is_foreign(process, table):
    """Does a living process outside of its cgroup, which is not of the tests, own this one?"""
    owner = process
    while owner and owner.cgroup == process.cgroup and not owner.named:
        owner = table.get(owner.parent)
    if owner is None or owner.pid == 1 or owner.comm in REAPERS:
        return False
    return not owner.named


def processes_and_cgroups(scope):
    table = all_processes(scope)
    foreign = {process.cgroup for process in table.values()
               if process.cgroup and is_foreign(process, table)}
    cgroups = {path for base in ("hull-*", "*/hull-*")
               for path in pathlib.Path("/sys/fs/cgroup").glob(base)}
    left = {str(process) for process in table.values()
            if process.ours or (process.cgroup and process.cgroup not in foreign)}
    return left | {f"cgroup {path}" for path in cgroups if path.name not in foreign}


def below(path, folder):
    return path == folder or path.startswith(folder + "/")


def mounts(scope):
    found = set()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        path = fields[4].encode().decode("unicode_escape")
        if any(below(path, folder) for folder in (scope, *OUTSIDE)):
            found.add(f"mount {path} ({fields[fields.index('-') + 1]})")
    return found


def loops(scope):
    found = set()
    for path in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = path.read_text().rstrip("\n")
        except OSError:
            continue
        if any(below(backing, folder) for folder in (scope, *OUTSIDE)):
            found.add(f"loop device {path.parent.parent.name} of {backing}")
    return found


def files():
    return {f"file {path}" for base in OUTSIDE
            for path in [pathlib.Path(base), *pathlib.Path(base).glob("**/*")] if path.exists()}


def snapshot(scope):
    scope = os.path.realpath(scope)
    return processes_and_cgroups(scope) | mounts(scope) | loops(scope) | files()


def left(before, scope):
    """What is there now and was not before, once it has had time to go."""
    deadline = time.monotonic() + SETTLE_S
    used = tuple(f"file {base}/" for base in OUTSIDE if f"file {base}" in before)
    extra = {item for item in snapshot(scope) - before if not item.startswith(used)}
    while extra and time.monotonic() < deadline:
        time.sleep(0.05)
        extra &= snapshot(scope)
    return sorted(item + program(item) for item in extra)


def program(item):
    """The name of the program that runs in a process of a snapshot, for people."""
    kind, number = item.split()[:2]
    try:
        return f" ({pathlib.Path('/proc', number, 'comm').read_text().strip()})" if kind == "process" else ""
    except OSError:
        return ""


def main(argv):
    if len(argv) != 4 or argv[1] not in ("save", "check"):
        sys.exit(__doc__)
    if argv[1] == "save":
        pathlib.Path(argv[2]).write_text(json.dumps(sorted(snapshot(argv[3]))))
        return 0
    extra = left(set(json.loads(pathlib.Path(argv[2]).read_text())), argv[3])
    for line in extra:
        print(f"left behind: {line}")
    return 1 if extra else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
