# SPDX-License-Identifier: Apache-2.0
"""The root, bind mounts, volumes, tmpfs, files and devices."""

import os
import stat

from hulltest import require, same
from suite import case

REFUSED = "touch %s/refused 2>&1 | grep -c 'Read-only file system'"


@case("bind-writable")
def bind_writable(box):
    (box.dir / "from-host").write_text("host\n")
    (box.dir / "sub").mkdir()
    script = "cat /data/from-host; echo inside >/data/sub/from-inside; chmod 640 /data/sub/from-inside"
    same(box.sh(script, "-v", f"{box.dir}:/data"), "host", "what the host wrote")
    written = box.dir / "sub" / "from-inside"
    same(written.read_text(), "inside\n", "what was written inside")
    status = written.stat()
    same((status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)), (os.getuid(), os.getgid(), 0o640),
         "owner, group and mode on the host of a file that root wrote inside")


@case("bind-owners")
def bind_owners(box):
    """Owners look the same from both sides."""
    (box.dir / "file").write_text("x")
    os.chown(box.dir / "file", 1234, 4321)
    os.chmod(box.dir, 0o777)
    same(box.sh("stat -c '%u %g' /data/file", "-v", f"{box.dir}:/data"), "1234 4321", "owner inside")
    box.sh("echo y >/data/mine", "-u", "55:66", "-v", f"{box.dir}:/data")
    status = (box.dir / "mine").stat()
    same((status.st_uid, status.st_gid), (55, 66), "owner on the host")


@case("bind-readonly")
def bind_readonly(box):
    (box.dir / "file").write_text("host\n")
    out = box.sh("cat /data/file; " + REFUSED % "/data", "-v", f"{box.dir}:/data:ro")
    same(out, "host\n1", "a read, then a refused write")
    same(sorted(os.listdir(box.dir)), ["file"], "files on the host")
    mount = f"type=bind,source={box.dir},target=/data,readonly"
    same(box.sh(REFUSED % "/data", "--mount", mount), "1", "a refused write, with --mount")


@case("bind-file")
def bind_file(box):
    (box.dir / "file").write_text("host\n")
    out = box.sh("cat /etc/one-file; echo inside >>/etc/one-file", "-v",
                 f"{box.dir}/file:/etc/one-file")
    same(out, "host", "content inside")
    same((box.dir / "file").read_text(), "host\ninside\n", "content on the host")


@case("volume-writable")
def volume_writable(box):
    volume = box.volume()
    box.sh("echo kept >/data/file", "-v", f"{volume}:/data")
    same(box.sh("cat /data/file", "-v", f"{volume}:/data"), "kept", "what another workload wrote")
    path = box.hull.text("volume", "inspect", "--format", "{{.Mountpoint}}", volume)
    with open(f"{path}/file", encoding="ascii") as file:
        same(file.read(), "kept\n", "content on the host")


@case("volume-readonly")
def volume_readonly(box):
    volume = box.volume()
    box.sh("echo kept >/data/file", "-v", f"{volume}:/data")
    out = box.sh("cat /data/file; " + REFUSED % "/data", "-v", f"{volume}:/data:ro")
    same(out, "kept\n1", "a read, then a refused write")


@case("volume-takes-content")
def volume_takes_content(box):
    """An empty volume starts with what the image has at its place; a used one does not."""
    volume = box.volume()
    want = box.sh("ls -ln /etc | md5sum; cat /etc/passwd")
    same(box.sh("ls -ln /etc | grep -v -e hosts -e hostname -e resolv >/dev/null; cat /etc/passwd",
                "-v", f"{volume}:/etc"), want.split("\n", 1)[1], "/etc/passwd in a new volume")
    box.sh("rm /data/passwd", "-v", f"{volume}:/data")
    same(box.sh("test -e /etc/passwd || echo gone", "-v", f"{volume}:/etc"), "gone",
         "/etc/passwd in a used volume")


@case("volume-shared")
def volume_shared(box):
    volume = box.volume()
    first, second = box.idle("-v", f"{volume}:/a"), box.idle("-v", f"{volume}:/b")
    box.hull.text("exec", first, "sh", "-c", "echo from-first >/a/file")
    same(box.hull.text("exec", second, "cat", "/b/file"), "from-first", "what the other wrote")


@case("readonly-root")
def readonly_root(box):
    script = " ".join(REFUSED % path + ";" for path in ("", "/etc", "/root"))
    same(box.sh(script + "touch /dev/shm/x && echo shm", "--read-only"), "1\n1\n1\nshm",
         "refused writes, then /dev/shm")
    same(box.sh("touch /tmp/x && echo works", "--read-only", "--tmpfs", "/tmp"), "works",
         "a tmpfs in a read-only root")


@case("tmpfs")
def tmpfs(box):
    script = "grep ' /scratch ' /proc/mounts | cut -d' ' -f3; df -k /scratch | tail -n 1 | awk '{print $2}'; " \
             "dd if=/dev/zero of=/scratch/x bs=1M count=8 2>&1 | grep -c 'No space'; stat -c %a /scratch"
    out = box.sh(script, "--tmpfs", "/scratch:size=4m,mode=1770")
    same(out, "tmpfs\n4096\n1\n1770", "type, size, a write that is too large, mode")


@case("shared-memory-size")
def shared_memory(box):
    same(box.sh("df -k /dev/shm | tail -n 1 | awk '{print $2}'", "--shm-size", "8m"), "8192",
         "KiB of /dev/shm")


@case("hostname")
def hostname(box):
    same(box.sh("hostname; cat /etc/hostname; grep -c chosen /etc/hosts", "--hostname", "chosen"),
         "chosen\nchosen\n1", "host name")
    name = box.idle()
    same(box.hull.text("exec", name, "hostname"), box.hull.inspect(name)["Id"][:12],
         "host name when none is given")


@case("layer-kept")
def layer_kept(box):
    """The writable layer survives stop and start."""
    name = box.start("sh", "-c", "cat /etc/mine 2>/dev/null; echo kept >/etc/mine; rm -f /etc/group; "
                     "sleep 1000000")
    box.hull.text("exec", name, "sh", "-c", "until test -s /etc/mine; do sleep 0.02; done")
    box.hull.text("stop", "-t", "0", name)
    box.hull.text("start", name)
    box.logged(name, "kept")
    same(box.hull("exec", name, "test", "-e", "/etc/group").status, 1, "a removed file is back")


@case("layer-dropped")
def layer_dropped(box):
    """Nothing of a removed workload is seen by the next one, whatever its name."""
    name = box.start("sh", "-c", "echo mine >/etc/mine")
    same(box.wait(name), 0, "status")
    box.hull.text("rm", name)
    box.hull(*box.args(["-d", "--name", name], ["ls", "/etc/mine"])).ok()
    same(box.wait(name), 1, "status of ls for a file of a removed workload")
    box.hull.text("rm", name)
    same(box.sh("test -e /etc/mine || echo absent"), "absent", "the file in a third workload")


@case("masked-paths")
def masked_paths(box):
    same(box.sh("cat /proc/keys /proc/timer_list 2>/dev/null | wc -c; "
                "head -c 1 /proc/kcore | wc -c; ls /sys/firmware | wc -l"),
         "0\n0\n0", "bytes of masked files and names in a masked directory")
    same(box.sh("grep ' /proc/sys ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1"), "ro",
         "first option of the mount of /proc/sys")


@case("devices")
def devices(box):
    want = "null zero full tty random urandom"
    same(box.sh(f"for d in {want}; do test -c /dev/$d && printf '%s ' $d; done"), want, "devices")
    same(box.sh("ls /dev | grep -E '^(vd|sd|loop|mem|kmsg|kvm)' | wc -l"), "0",
         "devices of the machine")
    same(box.sh("mknod /tmp/disk b 254 0 2>&1 && head -c 1 /tmp/disk | wc -c || echo refused")
         .splitlines()[-1], "refused", "a disk of the machine, by mknod")
    same(box.sh("echo x >/dev/null && head -c 4 /dev/zero | wc -c"), "4", "bytes of /dev/zero")


@case("system-settings")
def system_settings(box):
    read = "cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start ip_default_ttl ping_group_range"
    first_port, ttl, first, last = box.sh(read, "--sysctl", "net.ipv4.ip_default_ttl=77").split()
    same((first_port, ttl, first), ("0", "77", "0"),
         "first port for all, a setting that was asked for, first group that may ping")
    require(int(last) >= 65535, f"last group that may ping is {last}")
    same(box.sh("ip -o link | wc -l; ip -o addr show lo | grep -c 127.0.0.1"), "1\n1",
         "network interfaces, and the address of lo")
