# SPDX-License-Identifier: Apache-2.0
"""Files in and out: cp, diff, export, running and stopped."""

import io
import os
import tarfile

from hulltest import require, same
from suite import case


def stopped(box):
    """A workload that has made, changed and removed something, and ended."""
    name = box.start("sh", "-c", "mkdir /made; echo one >/made/file; ln -s file /made/link; "
                     "echo x >>/etc/passwd; rm /etc/group")
    same(box.wait(name), 0, "status")
    return name


def copy_both_ways(box, name):
    source = box.dir / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_text("content\n")
    os.chmod(source / "sub" / "file", 0o751)
    os.symlink("sub/file", source / "link")
    box.hull.text("cp", source, f"{name}:/tmp")
    box.hull.text("cp", f"{name}:/tmp/source", box.dir / "back")
    back = box.dir / "back"
    same((back / "sub" / "file").read_text(), "content\n", "content of what came back")
    same((back / "sub" / "file").stat().st_mode & 0o7777, 0o751, "mode of what came back")
    same(os.readlink(back / "link"), "sub/file", "link that came back")
    out = box.hull("cp", f"{name}:/tmp/source/sub/file", "-").ok().out
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        same(tar.getnames(), ["file"], "names in the archive on stdout")
    box.hull("cp", "-", f"{name}:/opt/../tmp", stdin=out).ok()
    missing = box.hull("cp", f"{name}:/no/such/file", box.dir)
    require(missing.status not in (0, 126, 127) and b"/no/such/file" in missing.err, f"message: {missing.err!r}")


@case("copy-running")
def copy_running(box):
    name = box.shared()
    copy_both_ways(box, name)
    same(box.hull.text("exec", name, "cat", "/tmp/file"), "content", "file from an archive on stdin")


@case("copy-stopped")
def copy_stopped(box):
    name = stopped(box)
    copy_both_ways(box, name)
    box.hull.text("cp", f"{name}:/made", box.dir / "made")
    same((box.dir / "made" / "file").read_text(), "one\n", "what it wrote while it ran")


@case("copy-stays-inside")
def copy_stays_inside(box):
    """Links of the root lead nowhere outside it, in either direction."""
    (box.dir / "secret").write_text("host's\n")
    name = box.shared()
    box.hull.text("exec", name, "sh", "-c", f"rm -rf /tmp/out; ln -s {box.dir} /tmp/out; "
                  f"mkdir -p {box.dir}; echo inside >{box.dir}/secret")
    out = box.hull("cp", f"{name}:/tmp/out/secret", "-").ok().out
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        same(tar.extractfile("secret").read(), b"inside\n", "content behind the link")
    (box.dir / "new").write_text("new\n")
    before = sorted(os.listdir(box.dir))
    box.hull.text("cp", box.dir / "new", f"{name}:/tmp/out/planted")
    same(sorted(os.listdir(box.dir)), before, "files of the host")
    same(box.hull.text("exec", name, "cat", f"{box.dir}/planted"), "new", "file in the root")


@case("diff")
def diff(box):
    lines = box.hull.text("diff", stopped(box)).splitlines()
    same(sorted(lines), ["A /made", "A /made/file", "A /made/link", "C /etc", "C /etc/passwd",
                         "D /etc/group"], "changes")


@case("export")
def export(box):
    out = box.hull("export", stopped(box)).ok().out
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        names = {name.lstrip("./") for name in tar.getnames()}
        require({"made/file", "made/link", "bin/busybox", "etc/passwd"} <= names, f"names: {names}")
        require("etc/group" not in names, "a removed file is exported")
        file = tar.extractfile(next(n for n in tar.getnames() if n.endswith("made/file")))
        same(file.read(), b"one\n", "content")
