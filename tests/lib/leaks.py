#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""leaks.py save FILE | check FILE - what of Hull's is on this machine, and is it more than before?

Looks at processes, mounts, cgroups, loop devices and the default store directories. Namespaces
need no look of their own: one lives on only through a process or a mount (of nsfs).
"""

import json
import os
import pathlib
import sys
import time

OURS = ("hull", "qemu-system", "virtiofsd")
OUTSIDE = ("/var/lib/hull", "/run/hull")
SETTLE_S = 10


def processes():
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            exe = os.path.basename(os.readlink(entry / "exe"))
            cgroup = (entry / "cgroup").read_text()
            start = (entry / "stat").read_text().rsplit(")", 1)[1].split()[19]
        except OSError:
            continue
        if exe.startswith(OURS) or "/hull-" in cgroup:
            found.add(f"process {entry.name} ({exe}, started {start})")
    return found


def mounts():
    found = set()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        found.add(f"mount {fields[4]} ({fields[fields.index('-') + 1]})")
    return found


def cgroups():
    return {f"cgroup {path}" for base in ("/sys/fs/cgroup/hull-*", "/sys/fs/cgroup/*/hull-*")
            for path in pathlib.Path("/").glob(base[1:])}


def loops():
    return {f"loop device {path.parent.parent.name}"
            for path in pathlib.Path("/sys/block").glob("loop*/loop/backing_file")}


def files():
    return {f"file {path}" for base in OUTSIDE for path in pathlib.Path(base).glob("**/*")}


def snapshot():
    return processes() | mounts() | cgroups() | loops() | files()


def left(before):
    """What is there now and was not before, once it has had time to go."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        extra = snapshot() - before
        if not extra or time.monotonic() > deadline:
            return sorted(extra)
        time.sleep(0.05)


def main(argv):
    if len(argv) != 3 or argv[1] not in ("save", "check"):
        sys.exit(__doc__)
    if argv[1] == "save":
        pathlib.Path(argv[2]).write_text(json.dumps(sorted(snapshot())))
        return 0
    extra = left(set(json.loads(pathlib.Path(argv[2]).read_text())))
    for line in extra:
        print(f"left behind: {line}")
    return 1 if extra else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
