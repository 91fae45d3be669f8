#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""inside.py BUILD PART [CONTESTANT COMMAND...] - the measuring half of run: hull-vmm and QEMU on this host's KVM, once

Prints one line "FIGURE NAME VALUE" for each value. Contestants take turns. The guest is guest.c, started
by start.c (hull-vmm, and QEMU as Hull starts it) or from here (QEMU's microvm).
"""

import contextlib
import os
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

FIRST_WORDS = b"guest: first words"
REACHED = "the first KVM_RUN"  # says until_run.c
MEMORY_MIB = 256
BALLOON_MEMORY_MIB = 1024
LIMIT_S = 600
DEBUGFS = pathlib.Path("/sys/kernel/debug")
SOURCES = pathlib.Path(__file__).resolve().parent.parent.parent / "src" / "machine"
GUEST_RAM_MIN_BYTES = 64 << 20
DISK_BYTES = 64 << 20
BOOTS = 3
HELD_BYTES = 512 << 20
RETURN_LIMIT_S = 60


def figure(name, value):
    print(f"FIGURE {name} {value}", flush=True)


def counter(name):
    return int((DEBUGFS / "kvm" / name).read_text())


def kernel_words():
    """What hull-vmm tells a kernel, for both sides; the serial port is for the guest's first words alone."""
    words = ""
    for file, name in (("guest.h", "GUEST_WORDS"), ("hullvmm.c", "KERNEL_WORDS")):
        definition = re.search(rf"#define {name}\s((?:.*\\\n)*.*)", (SOURCES / file).read_text())
        words += "".join(re.findall(r'"(.*?)"', definition[1]))
    return words + " loglevel=3"


class Kernel:
    """What bench/vmm/run has prepared: vmlinux and an initramfs whose /init is guest.c."""

    def __init__(self, build, name):
        self.name = name
        self.directory = build / "bench" / "vmm" / name
        self.vmlinux, self.initrd = self.directory / "vmlinux", self.directory / "initrd"


class Machine:
    """One machine that runs, from its exec; the console's bytes are watched for the guest's first words."""

    def __init__(self, argv, console, environment=None):
        os.mkfifo(console)
        self.first_words = threading.Event()
        self.at_first_words = {}
        self.before = {name: counter(name) for name in ("io_exits", "mmio_exits", "exits")}
        self.reader = threading.Thread(target=self._watch, args=(console,), daemon=True)
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        self.reader.start()

    def _watch(self, console):
        seen = b""
        with open(console, "rb", buffering=0) as file:
            while data := file.read(4096):
                seen = (seen + data)[-65536:]
                if FIRST_WORDS in seen and not self.at_first_words:
                    self.at_first_words = {"s": time.monotonic() - self.started_s, **self.counted()}
                    self.first_words.set()
        self.first_words.set()  # none will come

    def fail(self):
        self.process.kill()
        raise SystemExit(f"{self.process.args[0]}: {self.process.communicate()[1][-500:]}")

    def wait_ready(self):
        """Until the guest takes commands: the process of the hypervisor, and how long it took to start that."""
        lines = self.process.stdout.readline().split(), self.process.stdout.readline().split()
        if not all(lines):
            self.fail()
        return int(lines[0][2]), float(lines[1][1]) / 1000

    def counted(self):
        return {name: counter(name) - value for name, value in self.before.items()}

    def wait_first_words(self):
        """No limit but that of the host: by a clock of instructions, a wait for a file may seem to take hours."""
        self.first_words.wait()
        if not self.at_first_words:
            self.fail()
        return self.at_first_words

    def kill(self):
        self.process.kill()
        self.process.communicate()
        self.reader.join(10)

    def end(self):
        """What it has printed since: names and values."""
        out, err = self.process.communicate()
        self.reader.join(10)
        if self.process.returncode != 0:
            raise SystemExit(f"{self.process.args[0]}: {err[-500:]}")
        return re.findall(r"^([a-z0-9-]+) ([0-9.]+) ", out, re.M)


def process_named(name):
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text().strip() == name:
                return int(comm.parent.name)
    raise SystemExit(f"no process {name}")


def pss_beyond_ram(pid):
    """In KiB: proportional size of all mappings but the guest's memory, which is by far the largest."""
    total, counts = 0, True
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            counts = int(found[2], 16) - int(found[1], 16) < GUEST_RAM_MIN_BYTES
        elif counts and line.startswith("Pss:"):
            total += int(line.split()[1])
    return total


def resident(pid):
    """In KiB, all of it."""
    return int(re.search(r"^Rss:\s+([0-9]+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])


class Bench:
    def __init__(self, build):
        self.build, self.kernel_words = build, kernel_words()
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="vmm.", dir="/tmp"))
        self.debian = Kernel(build, "debian")
        self.ours = Kernel(build, "guest")
        self.count = 0
        self.disk = self.scratch / "disk"
        # Not a hole: blocks that the host must look up.
        with open(self.disk, "wb") as file:
            for _ in range(DISK_BYTES >> 20):
                file.write(os.urandom(1 << 16) * 16)

    def console(self):
        self.count += 1
        return self.scratch / f"console.{self.count}"

    def ours_argv(self, kernel, *words, memory_mib=MEMORY_MIB):
        return [str(word) for word in (
            self.build / "bench" / "vmm" / "vmm-bench", "--kernel", kernel.vmlinux, "--initrd", kernel.initrd,
            "--memory-mib", memory_mib, "--cmdline", self.kernel_words, "--disk", self.disk, *words)]

    def environment(self, machine):
        return {"HULL_MACHINE": machine, "HULL_LIBEXEC": str(self.build / "bin")}

    def start_hull(self, kernel, *commands, memory_mib=MEMORY_MIB):
        console = self.console()
        return Machine(self.ours_argv(kernel, "--console", console, *commands, memory_mib=memory_mib), console,
                       self.environment("hull-vmm"))

    def microvm_argv(self, kernel, console, port):
        return ["qemu-system-x86_64", "-M", "microvm,rtc=on", "-accel", "kvm", "-cpu", "host", "-smp", "1",
                "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                "-kernel", str(kernel.vmlinux), "-initrd", str(kernel.initrd), "-append", self.kernel_words,
                "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
                "-device", "virtio-serial-device", "-chardev", f"socket,id=port,path={port}",
                "-device", "virtserialport,chardev=port,name=bench",
                "-blockdev", f"driver=raw,node-name=disk,read-only=on,file.driver=file,file.filename={self.disk},"
                "file.aio=io_uring", "-device", "virtio-blk-device,drive=disk",
                "-device", "virtio-rng-device", "-device", "virtio-balloon-device,free-page-reporting=on"]

    @contextlib.contextmanager
    def start_microvm(self, kernel):
        """Yields the machine and the socket at the other end of its port, ready for commands."""
        console, port = self.console(), self.scratch / f"port.{self.count}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(port))
            listener.listen()
            machine = Machine(self.microvm_argv(kernel, console, port), console)
            with selectors.DefaultSelector() as selector:
                selector.register(listener, selectors.EVENT_READ)
                while not selector.select(1):
                    if machine.process.poll() is not None:
                        machine.fail()
            link, _ = listener.accept()
        try:
            with link, link.makefile("rw") as talk:
                yield machine, talk
        finally:
            machine.kill()

    # ---- the parts ----

    def boot(self):
        """The first of a host waits for files that the others find in memory."""
        for _ in range(BOOTS):
            self.boot_hull("hull-debian", self.debian)
            self.boot_microvm("qemu-debian", self.debian)
            self.boot_hull("hull-guest", self.ours)

    def boot_hull(self, name, kernel):
        machine = self.start_hull(kernel, "born")
        self.say_boot(name, machine.wait_first_words())
        figure(f"{name}-host-start-s", machine.wait_ready()[1])
        self.say_ready(name, machine)
        for key, value in machine.end():
            if key == "born":
                figure(f"{name}-born-s", f"{float(value) / 1000:.4f}")

    def boot_microvm(self, name, kernel):
        with self.start_microvm(kernel) as (machine, talk):
            self.say_boot(name, machine.wait_first_words())
            talk.readline()
            self.say_ready(name, machine)

    @staticmethod
    def say_boot(name, found):
        figure(f"{name}-s", f"{found['s']:.4f}")
        figure(f"{name}-exits", found["io_exits"] + found["mmio_exits"])

    @staticmethod
    def say_ready(name, machine):
        found = machine.counted()
        figure(f"{name}-ready-s", f"{time.monotonic() - machine.started_s:.4f}")
        figure(f"{name}-ready-exits", found["io_exits"] + found["mmio_exits"])

    def memory(self):
        machine = self.start_hull(self.debian, f"wait {LIMIT_S * 1000}")
        pid, _ = machine.wait_ready()
        figure("hull-pss-KiB", pss_beyond_ram(pid))
        machine.kill()
        with self.start_microvm(self.debian) as (machine, talk):
            talk.readline()
            figure("qemu-pss-KiB", pss_beyond_ram(machine.process.pid))

    def balloon(self):
        """The host's share of what a guest takes and gives up again."""
        machine = self.start_hull(self.debian, f"hold {HELD_BYTES}", "release", f"wait {LIMIT_S * 1000}",
                                  memory_mib=BALLOON_MEMORY_MIB)
        pid, _ = machine.wait_ready()
        line = ""
        while not line.startswith("host-rss "):
            line = machine.process.stdout.readline()
        held = left = int(line.split()[1])
        deadline_s = time.monotonic() + RETURN_LIMIT_S
        while time.monotonic() < deadline_s:
            left = min(left, resident(pid))
            time.sleep(0.5)
        figure("hull-held-KiB", held)
        figure("hull-left-KiB", left)
        machine.kill()

    def devices(self, machine, *commands):
        """What the guest of one contestant says that it was told to do."""
        run = subprocess.run(self.ours_argv(self.debian, *commands), check=False, capture_output=True, text=True,
                             env={**os.environ, **self.environment(machine)})
        if run.returncode != 0:
            raise SystemExit(run.stderr[-500:])
        for name, value in re.findall(r"^([a-z0-9-]+) ([0-9.]+) ", run.stdout, re.M):
            if not name.startswith("host"):
                figure(f"{machine}-{name}", value)

    input = devices

    def calls(self):
        """System calls from exec to the first KVM_RUN, all threads."""
        trace = self.scratch / "trace"
        subprocess.run(["strace", "-f", "-qq", "-o", trace, *self.ours_argv(self.debian)], check=True,
                       capture_output=True, env={**os.environ, **self.environment("hull-vmm")})
        figure("hull-calls", calls_to_run(trace, "/hull-vmm"))
        port = self.scratch / "no-port"
        argv = self.microvm_argv(self.debian, self.scratch / "null", port)
        argv[argv.index(f"socket,id=port,path={port}")] = "null,id=port"
        trace.unlink()
        with subprocess.Popen(["strace", "-f", "-qq", "-o", trace, *argv], stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not (trace.exists() and "KVM_RUN" in trace.read_text()):
                time.sleep(0.5)
            os.kill(process_named("qemu-system-x86"), signal.SIGKILL)
        figure("qemu-calls", calls_to_run(trace, "qemu-system-x86_64"))

    def instructions(self):
        """In user space from exec to the first KVM_RUN, all threads, as callgrind counts them.

        Its processor is not the host's, so that QEMU cannot have the host's for its guest.
        """
        programs = self.build / "bench" / "vmm"
        figure("hull-instructions", instructions_to_run(programs, [
            programs / "vmm-bench-bare", MEMORY_MIB, self.debian.vmlinux, self.debian.initrd, self.disk, self.kernel_words],
            [self.build / "bin" / "hull-vmm"]))
        argv = self.microvm_argv(self.debian, self.scratch / "null", "null")
        argv[argv.index("host")] = "qemu64"
        argv[argv.index("socket,id=port,path=null")] = "null,id=port"
        figure("qemu-instructions", instructions_to_run(programs, [], argv))

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)


def calls_to_run(trace, program):
    """System calls of @program's process, all threads, from its execve to the first KVM_RUN.

    Threads are those that appear after the execve: their starter makes no more processes then, and what clone()
    returns is of another pid namespace.
    """
    others, threads, count = set(), set(), 0
    for line in trace.read_text().splitlines():
        thread, call = line.split(None, 1)
        if call.startswith("execve(") and f'{program}"' in call:
            threads, count = {thread}, 0
        elif threads and thread not in others:
            threads.add(thread)
        if thread not in threads:
            others.add(thread)
        elif not call.startswith(("<...", "+++", "---")):
            count += 1
            if "KVM_RUN" in call:
                return count
    raise SystemExit(f"{program} never ran a processor")


def instructions_to_run(programs, starter, argv):
    words = [*starter, "env", f"LD_PRELOAD={programs / 'vmm-bench-until-run.so'}",
             "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *argv]
    err = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, timeout=LIMIT_S).stderr
    if REACHED not in err:
        raise SystemExit(f"{argv[0]} never ran a processor: {err[-500:]}")
    return int(re.search(r"Collected : ([0-9]+)", err)[1])


def main():
    bench = Bench(pathlib.Path(sys.argv[1]))
    if not (DEBUGFS / "kvm").exists():
        subprocess.run(["mount", "-t", "debugfs", "debugfs", DEBUGFS], check=True)
    try:
        getattr(bench, sys.argv[2])(*sys.argv[3:])
    except (SystemExit, subprocess.SubprocessError, OSError) as error:
        print(f"FAILED {error}".replace("\n", " "), flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
