# SPDX-License-Identifier: Apache-2.0
"""Measuring commands: interleaved runs, medians, system calls, memory."""

import collections
import contextlib
import ctypes
import os
import pathlib
import re
import statistics
import subprocess
import time

Run = collections.namedtuple("Run", "wall_s cpu_s")


class Failed(Exception):
    """A command that was to be measured did not work."""


HYBRID = "/sys/fs/cgroup/unified"
PEERS = ("crun", "podman")
# RESULTS.md from here on is of bench/vmm/run.
VMM_TITLE = "## The hypervisor, beside QEMU on KVM"


def _setns(fd):
    """Of the standard library since Python 3.12. Leaves the working directory at the root."""
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _make_view():
    """Mount namespaces as descriptors: ours, and one without the cgroup v2 mount beside v1, which crun 1.8 refuses."""
    if not os.path.ismount(HYBRID):
        return None
    script = f"umount {HYBRID} && echo && exec cat"
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        views = [os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC) for pid in ("self", holder.pid)]
    return views


@contextlib.contextmanager
def where_it_runs(argv):
    """Peers are started where they work; everything else, Hull too, on the host as it is."""
    if not hasattr(where_it_runs, "views"):
        where_it_runs.views = _make_view()
    if not where_it_runs.views or os.path.basename(argv[0]) not in PEERS:
        yield
        return
    home, view = where_it_runs.views
    _setns(view)
    try:
        yield
    finally:
        _setns(home)


def timed(argv):
    """Run a command with its output thrown away; wall and processor time, children included."""
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)]
    log = os.memfd_create("stderr")
    actions.append((os.POSIX_SPAWN_DUP2, log, 2))
    with where_it_runs(argv):
        started = time.perf_counter()
        pid = os.posix_spawnp(argv[0], [str(word) for word in argv], os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - started
    said = os.pread(log, 2000, 0)
    os.close(null)
    os.close(log)
    if status != 0:
        raise Failed(f"{' '.join(map(str, argv))}: status {status}: {said.decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime)


def interleaved(commands, rounds):
    """Median Run of each named command, all taking turns so that load hits all alike."""
    runs = collections.defaultdict(list)
    for argv in commands.values():
        timed(argv)
    for _ in range(rounds):
        for name, argv in commands.items():
            runs[name].append(timed(argv))
    return {name: Run(statistics.median(run.wall_s for run in list_),
                      statistics.median(run.cpu_s for run in list_)) for name, list_ in runs.items()}


def system_calls(argv, names, scratch):
    """How often a command and all that it starts makes each system call with success."""
    out = scratch / "strace"
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=" + ",".join(names), "-o", out, *argv],
                   stdout=subprocess.DEVNULL, check=True)
    found = collections.Counter()
    for line in out.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +(\w+)\(", line)
        if match and not re.search(r"= -1 ", line):
            found[match.group(1)] += 1
    return found


def pss_bytes(names, mark):
    """Proportional set size of all processes with one of these names, and their number.

    Only those that inherited the mark are counted: others may use Hull on the same machine.
    """
    total = count = 0
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "comm").read_text().strip() not in names or mark not in (entry / "environ").read_bytes():
                continue
            total += 1024 * int(re.search(r"^Pss: +(\d+)", (entry / "smaps_rollup").read_text(), re.M).group(1))
            count += 1
        except OSError:
            continue
    return total, count


def until_output(argv, fd_is_pipe_of=None):
    """Seconds until a command has written its first byte; it is ended then."""
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    started = time.perf_counter()
    byte = os.read(process.stdout.fileno(), 1)
    wall = time.perf_counter() - started
    if fd_is_pipe_of is None:
        process.stdout.read()
    else:
        process.kill()
    process.stdout.close()
    process.wait()
    if not byte:
        raise Failed(f"no output: {' '.join(map(str, argv))}")
    return wall
