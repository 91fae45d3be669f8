# SPDX-License-Identifier: Apache-2.0
"""The other side of each comparison: bundles for crun, images for podman, a bare QEMU."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "lib"))

import images  # noqa: E402
import measure  # noqa: E402

# Peers raise limits beyond what an unprivileged host may grant.
PODMAN_OPTIONS = ["--network", "none", "--ulimit", "nofile=1000:2000", "--ulimit", "nproc=1000:2000"]
UID_BASE, UID_COUNT = 1879048192, 65536
INIT = r"""
#include <sys/io.h>
#include <unistd.h>
int main(void) { iopl(3); outb('x', 0xe9); for (;;) pause(); }
"""


def podman(scratch):
    """Podman with images and containers of its own; what the machine has is not touched."""
    return ["podman", "--root", str(scratch / "podman"), "--runroot", str(scratch / "podman-run"),
            "--tmpdir", str(scratch / "podman-tmp"), "--storage-driver", "overlay",
            "--cgroup-manager", "cgroupfs"]


def quiet(*argv, **kwargs):
    argv = [str(word) for word in argv]
    with measure.where_it_runs(argv):
        return subprocess.run(argv, check=True, capture_output=True, **kwargs).stdout


def podman_config(podman, image):
    """The bundle configuration that podman makes, for its system call filter."""
    name = quiet(*podman, "create", *PODMAN_OPTIONS, image, "true").decode().strip()
    try:
        quiet(*podman, "init", name)
        folder = json.loads(quiet(*podman, "inspect", name))[0]["OCIConfigPath"]
        return json.loads(pathlib.Path(folder).read_text())
    finally:
        quiet(*podman, "rm", "-f", name)


def make_rootfs(hull, image, path, shift):
    name = quiet(*hull, "create", image, "true").decode().strip()
    tar = quiet(*hull, "export", name)
    quiet(*hull, "rm", name)
    path.mkdir(parents=True)
    quiet("tar", "-x", "-C", path, input=tar)
    for mount in ("proc", "sys", "dev"):
        (path / mount).mkdir(exist_ok=True)
    if shift:
        for folder, _, files in os.walk(path):
            for name in [folder, *[os.path.join(folder, file) for file in files]]:
                os.chown(name, UID_BASE, UID_BASE, follow_symlinks=False)


def make_bundles(hull, image, scratch, seccomp):
    """plain: as crun spec makes it. same: the namespaces, id mapping, mounts and filter of Hull's."""
    for kind in ("plain", "same"):
        bundle = scratch / kind
        make_rootfs(hull, image, bundle / "rootfs", kind == "same")
        quiet("crun", "spec", cwd=bundle)
        path = bundle / "config.json"
        config = json.loads(path.read_text())
        config["process"].update(terminal=False, args=["true"])
        config["root"]["readonly"] = False
        if kind == "same":
            linux = config["linux"]
            linux["seccomp"] = seccomp
            linux["namespaces"] = [{"type": name} for name in
                                   ("pid", "mount", "ipc", "uts", "network", "cgroup", "user")]
            mapping = [{"containerID": 0, "hostID": UID_BASE, "size": UID_COUNT}]
            linux["uidMappings"] = linux["gidMappings"] = mapping
            config["process"]["noNewPrivileges"] = True
        path.write_text(json.dumps(config))
    return {"crun, same": ["crun", "run", "--bundle", scratch / "same", "bench-same"],
            "crun, plain": ["crun", "run", "--bundle", scratch / "plain", "bench-plain"]}


def make_debian(scratch):
    """An OCI archive of Debian with a compiler: one gzip layer of more than 100 MB. Kept."""
    path = scratch.parent / "debian.tar"
    if not path.exists():
        tar = scratch / "rootfs.tar"
        quiet("mmdebstrap", "--quiet", "--variant=apt", "--include=build-essential,git,python3",
              "bookworm", tar)
        image = images.Image([tar.read_bytes()], lambda data: quiet("gzip", "-6", input=data), "bench-debian:latest")
        for layer in image.layers:
            layer["mediaType"] = images.LAYER + "+gzip"
        # The manifest is written again with the media type of what is in it.
        image.manifest = json.dumps({**json.loads(image.manifest), "layers": image.layers}).encode()
        images.write_archive(path, image.files())
        tar.unlink()
    return path


# What a kernel is told that shall start fast, and what Hull adds under TCG (machine/qemu.c).
KERNEL_WORDS = "cryptomgr.notests quiet audit=0 nowatchdog panic=-1"
KERNEL_WORDS_HULL = " initcall_blacklist=trace_eval_init,tracer_init_tracefs nolapic_timer noreplace-smp"


def bare_qemu(vmlinux, scratch):
    """The same kernel with nothing but an init that reports itself: what a start costs at least.

    Twice: as anybody starts it, and with the words that Hull gives the kernel.
    """
    source = scratch / "init.c"
    source.write_text(INIT)
    (scratch / "fs").mkdir()
    quiet("cc", "-static", "-O2", "-o", scratch / "fs" / "init", source)
    initrd = scratch / "initrd"
    quiet("busybox", "sh", "-c", f"cd {scratch}/fs && echo init | busybox cpio -o -H newc >{initrd}")
    firmware = next(path for path in ("/usr/share/qemu/qboot.rom", "/usr/share/seabios/bios-256k.bin")
                    if os.path.exists(path))
    argv = ["qemu-system-x86_64", "-M", "q35,sata=off,smbus=off,vmport=off", "-accel", "tcg,thread=multi,tb-size=128",
            "-cpu", "max", "-m", "512", "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-bios", firmware, "-kernel", vmlinux, "-initrd", initrd,
            "-chardev", "stdio,id=out", "-device", "isa-debugcon,iobase=0xe9,chardev=out"]
    return [[*argv, "-append", words] for words in (KERNEL_WORDS, KERNEL_WORDS + KERNEL_WORDS_HULL)]


def remove(podman, scratch):
    """Everything, once nothing of podman's storage is mounted any more."""
    with measure.where_it_runs(podman):
        subprocess.run([*podman, "rm", "-af", "-t", "0"], capture_output=True, check=False)
        for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
            if line.split()[4].startswith(f"{scratch}/"):
                subprocess.run(["umount", line.split()[4]], check=False)
    shutil.rmtree(scratch, ignore_errors=True)
