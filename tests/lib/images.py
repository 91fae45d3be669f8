#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""images.py good|evil DIR, or compare TAR MOUNTPOINT - images in all formats, good and hostile

good: layers with everything that a layer may hold, as OCI layout, OCI archive, Docker archive
(manifest first and last) and plain root filesystem (none, gzip, zstd).
evil: one archive a trick, DIR/NAME.tar or DIR/NAME/ with DIR/NAME.why, a part of the reason expected.
compare: is a mounted layer what its tar says? Prints differences.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import stat
import subprocess
import sys
import tarfile

LAYER = "application/vnd.oci.image.layer.v1.tar"
MTIME = 1700000000


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(name, kind=tarfile.REGTYPE, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), MTIME
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def layer(entries, kind=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sparse_entry(name, size, segments):
    """A file of GNU's sparse form 1.0: @segments is pairs of an offset and the bytes there."""
    segments = [*segments, (size, b"")]  # from which GNU tar takes the length
    numbers = [len(segments)] + [number for at, data in segments for number in (at, len(data))]
    text = "".join(f"{number}\n" for number in numbers).encode()
    data = text + bytes(-len(text) % 512) + b"".join(data for _, data in segments)
    return entry("GNUSparseFile/x", data=data, pax_headers={
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": str(size)})


class Image:
    """Documents and blobs of one image; layers are uncompressed tars."""

    def __init__(self, layers, compress=None, name="test:latest"):
        self.name, self.tars, self.blobs = name, layers, {}
        self.config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "Labels": {"made": "by-test"}},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in layers]},
            "history": [{"created_by": f"layer {i}"} for i in range(len(layers))]}).encode()
        packed = [compress(tar) if compress else tar for tar in layers]
        suffix = {None: "", gzip.compress: "+gzip"}.get(compress, "+zstd")
        self.layers = [self.add(data, LAYER + suffix) for data in packed]
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.add(self.config, "application/vnd.oci.image.config.v1+json"),
            "layers": self.layers}).encode()

    def add(self, data, media_type):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def index(self):
        top = {"mediaType": "application/vnd.oci.image.manifest.v1+json",
               "digest": digest(self.manifest), "size": len(self.manifest),
               "annotations": {"org.opencontainers.image.ref.name": self.name}}
        return json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()

    def files(self):
        """Path to content of an OCI layout."""
        found = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": self.index()}
        for name, data in {**self.blobs, digest(self.manifest): self.manifest}.items():
            found["blobs/sha256/" + name.split(":")[1]] = data
        return found

    def docker_files(self, manifest_last, compress=None):
        config = digest(self.config).split(":")[1] + ".json"
        paths = [f"{digest(tar).split(':')[1]}/layer.tar" for tar in self.tars]
        manifest = json.dumps([{"Config": config, "RepoTags": [self.name], "Layers": paths}]).encode()
        packed = [compress(tar) if compress else tar for tar in self.tars]
        blobs = {config: self.config, **dict(zip(paths, packed))}
        return {**blobs, "manifest.json": manifest} if manifest_last else {"manifest.json": manifest, **blobs}


def write_archive(path, files):
    path.write_bytes(layer([entry(name, data=data) for name, data in files.items()]))


def write_layout(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def shell():
    """Entries that make a root filesystem with a shell."""
    busybox = pathlib.Path("/bin/busybox").read_bytes()
    names = ["sh", "cat", "ls", "stat", "find", "test", "true", "echo", "sha256sum"]
    return [entry("bin", tarfile.DIRTYPE), entry("bin/busybox", data=busybox, mode=0o755),
            *[entry(f"bin/{name}", tarfile.SYMTYPE, linkname="busybox") for name in names]]


def odd_entries():
    """What a layer may hold, all of it."""
    cap = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    xattr = {"SCHILY.xattr.security.capability": cap.decode("latin-1"),
             "SCHILY.xattr.user.note": "text"}
    sparse = bytes(3 << 20) + b"end"
    return [
        entry("odd", tarfile.DIRTYPE, mode=0o1770, uid=7, gid=8),
        entry("odd/empty"), entry("odd/setuid", data=b"x", mode=0o4755, uid=1000, gid=100),
        entry("odd/attributes", data=b"y", pax_headers=xattr),
        entry("odd/large-ids", data=b"z", uid=4000000, gid=3000000),
        entry("odd/zeroes", data=sparse), entry("odd/block", data=os.urandom(4096)),
        entry("odd/tail", data=os.urandom(70001)),
        entry("odd/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("odd/disk", tarfile.BLKTYPE, devmajor=8, devminor=17, mode=0o660),
        entry("odd/pipe", tarfile.FIFOTYPE), entry("odd/link", tarfile.SYMTYPE, linkname="../bin"),
        entry("odd/" + "n" * 255, data=b"long name"),
        entry("odd/long-link", tarfile.SYMTYPE, linkname="t" * 1000),
        entry("odd/b\udcff\udcfe", data=b"not UTF-8"),
        entry("other", tarfile.DIRTYPE),
        entry("other/hard", tarfile.LNKTYPE, linkname="odd/block"),
        entry("implied/parent/file", data=b"parents that the archive does not name"),
        sparse_entry("odd/sparse", (5 << 20) + 7, [(0, b"s" * 512), (1 << 20, b"t" * 1024), (5 << 20, b"end")]),
        sparse_entry("odd/hole", 3 << 20, []),
        entry("./", tarfile.DIRTYPE), entry("./dotted", tarfile.DIRTYPE, mode=0o750, pax_headers=xattr),
        entry("./dotted/./file", data=b"in it"), entry("./dotted/link", tarfile.LNKTYPE, linkname="./odd/./block"),
        entry("odd/late", data=b"1", mtime=1), *[entry(f"many/{i:04}", data=b"%d" % i) for i in range(1500)],
    ]


def covered_layers():
    """Folders that upper layers imply and lower ones name; hard links to files of lower layers."""
    note = {"SCHILY.xattr.user.note": "kept"}
    first = [*shell(), entry("tmp", tarfile.DIRTYPE, mode=0o1777), entry("home", tarfile.DIRTYPE),
             entry("home/user", tarfile.DIRTYPE, mode=0o700, uid=1000, gid=100, pax_headers=note),
             entry("plain", tarfile.DIRTYPE), entry("gone", tarfile.DIRTYPE, mode=0o750),
             entry("hidden", tarfile.DIRTYPE, mode=0o750), entry("hidden/below", data=b"1"),
             entry("again", tarfile.DIRTYPE, mode=0o700),
             entry("turns", tarfile.DIRTYPE, mode=0o700), entry("turns/below", data=b"hidden"),
             sparse_entry("data/sparse", 100 << 30, [(0, b"start"), (99 << 30, b"end")]),
             entry("data", tarfile.DIRTYPE), entry("data/file", data=b"content", mode=0o640, uid=7, pax_headers=note),
             entry("data/twin", tarfile.LNKTYPE, linkname="data/file"),
             entry("data/large", data=bytes(range(256)) * 4000), entry("data/replaced", data=b"old")]
    second = [entry("tmp/x", data=b"x"), entry("home/user/f", data=b"f"), entry("plain/f", data=b"f"),
              entry("gone/f", data=b"f"), entry(".wh.gone"), entry("hidden/f", data=b"f"), entry("hidden/.wh..wh..opq"),
              entry("again/f", data=b"f"),
              entry("links/one", tarfile.LNKTYPE, linkname="data/file"),
              entry("links/two", tarfile.LNKTYPE, linkname="links/one"),
              entry("links/large", tarfile.LNKTYPE, linkname="data/large"),
              entry("links/link", tarfile.LNKTYPE, linkname="bin/sh"),
              entry("links/removed", tarfile.LNKTYPE, linkname="data/large"),
              entry("links/old", tarfile.LNKTYPE, linkname="data/replaced"),
              entry("turns", tarfile.LNKTYPE, linkname="data/file"),
              entry("links/sparse", tarfile.LNKTYPE, linkname="data/sparse"),
              entry("data/replaced", data=b"new")]
    third = [entry("tmp/y", data=b"y"), entry("again", tarfile.DIRTYPE, mode=0o711), entry("links/.wh.removed"),
             entry("turns/new", data=b"n"),
             entry("links/three", tarfile.LNKTYPE, linkname="links/one")]
    return [layer(first), layer(second), layer(third)]


def make_good(top):
    first = layer([*shell(), entry("etc", tarfile.DIRTYPE), entry("etc/keep", data=b"1"),
                   entry("etc/gone", data=b"2"), entry("opaque", tarfile.DIRTYPE), entry("opaque/below", data=b"3"),
                   entry("becomes-file", tarfile.DIRTYPE), entry("becomes-file/x")])
    second = layer([entry("etc/.wh.gone"), entry("opaque/new", data=b"4"), entry("opaque/.wh..wh..opq"),
                    entry("becomes-file", data=b"5"), *odd_entries()])
    (top / "odd.tar").write_bytes(layer(odd_entries()))
    for name, compress in (("none", None), ("gzip", gzip.compress), ("zstd", zstd)):
        image = Image([first, second], compress, f"good:{name}")
        write_archive(top / f"oci-{name}.tar", image.files())
        write_layout(top / f"layout-{name}", image.files())
    image = Image([first, second], None, "good:docker")
    write_archive(top / "docker-first.tar", image.docker_files(False))
    write_archive(top / "docker-last.tar", image.docker_files(True))
    write_archive(top / "docker-gzip.tar", image.docker_files(True, gzip.compress))
    twice = Image([first, second, first, layer([entry("last")]), second], gzip.compress, "good:twice")
    write_archive(top / "twice.tar", twice.files())
    base = layer([*shell(), entry(".wh..wh..opq")])
    opaque = Image([base, layer([entry("upper", data=b"6")])], gzip.compress, "good:opaque")
    write_archive(top / "opaque-base.tar", opaque.files())
    write_archive(top / "cover.tar", Image(covered_layers(), gzip.compress, "good:cover").files())
    plain = layer([*shell(), *odd_entries()])
    (top / "rootfs.tar").write_bytes(plain)
    (top / "rootfs.tar.gz").write_bytes(gzip.compress(plain))
    (top / "rootfs.tar.zst").write_bytes(zstd(plain))


def deep(levels):
    name, out = "d", []
    for _ in range(levels):
        out.append(entry(name, tarfile.DIRTYPE))
        name += "/d"
    return out


def evil_layers(outside):
    """Name to (entries, part of the reason)."""
    return {
        "dotdot": ([entry("../escaped", data=b"x")], ".."),
        "dotdot-inside": ([entry("a/../../escaped", data=b"x")], ".."),
        "absolute": ([entry("/escaped", data=b"x")], "absolute"),
        "symlinked-parent": ([entry("link", tarfile.SYMTYPE, linkname=str(outside)),
                              entry("link/escaped", data=b"x")], "link"),
        "hardlink-out": ([entry("hard", tarfile.LNKTYPE, linkname="../../../etc/passwd")], "hard"),
        "hardlink-absolute": ([entry("hard", tarfile.LNKTYPE, linkname=str(outside / "secret"))], "hard"),
        "hardlink-through-link": ([entry("link", tarfile.SYMTYPE, linkname=str(outside)),
                                   entry("hard", tarfile.LNKTYPE, linkname="link/secret")], "hard"),
        "levels": (deep(3000), "deep"),
    }


def make_evil(top, outside):
    def write(name, why, data):
        (top / f"{name}.tar").write_bytes(data)
        (top / f"{name}.why").write_text(why)

    for name, (entries, why) in evil_layers(outside).items():
        write(name, why, layer(entries))
        write(f"{name}-oci", why, layer([entry(n, data=d) for n, d in
                                         Image([layer(entries)], gzip.compress).files().items()]))
    write("hardlink-rootfs", "is not there", layer([entry("hard", tarfile.LNKTYPE, linkname="none")]))
    bomb = gzip.compress(layer([entry("bomb", data=bytes(256 << 20))]), 9)
    write("bomb", "ratio", bomb)
    good = layer(shell())
    write("truncated", "archive is truncated", layer([entry("a", data=bytes(100000))])[:50000])
    write("truncated-gzip", "gzip data is truncated", gzip.compress(good)[:200000])
    for name, why, second in (
            ("opaque-root", "hides all layers", [entry("x"), entry(".wh..wh..opq")]),
            ("hardlink-folder", "is a folder", [entry("hard", tarfile.LNKTYPE, linkname="bin")]),
            ("hardlink-nowhere", "is not there", [entry("hard", tarfile.LNKTYPE, linkname="bin/none")])):
        image = Image([good, layer(second)], gzip.compress, "evil:latest")
        write(name, why, layer([entry(n, data=d) for n, d in image.files().items()]))
    write_tampered(write, good)


def write_tampered(write, good):
    """Archives whose documents or blobs lie."""
    def archive(name, why, change):
        image = Image([good], gzip.compress, "evil:latest")
        files = image.files()
        change(image, files)
        write(name, why, layer([entry(n, data=d) for n, d in files.items()]))

    def blob(image_digest):
        return "blobs/sha256/" + image_digest.split(":")[1]

    def wrong_layer(image, files):
        path = blob(image.layers[0]["digest"])
        files[path] = files[path][:-9] + bytes([files[path][-9] ^ 1]) + files[path][-8:]

    def wrong_config(image, files):
        path = blob(digest(image.config))
        files[path] = files[path].replace(b"amd64", b"arm64")

    def replace_config(image, files, config):
        files[blob(digest(config))] = config
        manifest = image.manifest.replace(digest(image.config).encode(), digest(config).encode())
        manifest = manifest.replace(b'"size": %d' % len(image.config), b'"size": %d' % len(config))
        replace_manifest(image, files, manifest)

    def replace_manifest(image, files, manifest):
        files[blob(digest(manifest))] = manifest
        index = files["index.json"].replace(digest(image.manifest).encode(), digest(manifest).encode())
        files["index.json"] = index.replace(b'"size": %d' % len(image.manifest), b'"size": %d' % len(manifest))

    def wrong_diff_id(image, files):
        other = digest(b"something else").encode()
        replace_config(image, files, image.config.replace(digest(good).encode(), other))

    def short_digest(image, files):
        replace_manifest(image, files, image.manifest.replace(image.layers[0]["digest"].encode(), b"sha256:abc"))

    archive("wrong-layer-digest", "digest", wrong_layer)
    archive("wrong-config-digest", "digest", wrong_config)
    archive("wrong-diff-id", "diff", wrong_diff_id)
    archive("short-digest", "digest", short_digest)
    archive("duplicate-key-config", "duplicate", lambda image, files: replace_config(
        image, files, image.config.replace(b'"os":', b'"os": "plan9", "os":')))
    archive("duplicate-key-manifest", "duplicate", lambda image, files: replace_manifest(
        image, files, image.manifest.replace(b'"layers":', b'"layers": [], "layers":')))
    archive("duplicate-key-index", "duplicate", lambda _, files: files.update(
        {"index.json": files["index.json"].replace(b'"manifests":', b'"manifests": [], "manifests":')}))
    archive("missing-layer", "is missing in the archive", lambda image, files: files.pop(blob(image.layers[0]["digest"])))


def describe(path):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    names = os.listxattr(path, follow_symlinks=False) if kind in (stat.S_IFREG, stat.S_IFDIR) else []
    found = {"kind": kind, "mode": stat.S_IMODE(status.st_mode), "owner": (status.st_uid, status.st_gid),
             "mtime": int(status.st_mtime), "links": status.st_nlink if kind != stat.S_IFDIR else 0,
             "xattrs": {name: os.getxattr(path, name) for name in names}}
    if kind == stat.S_IFREG:
        found["content"] = digest(path_bytes(path))
    if kind == stat.S_IFLNK:
        found["target"] = os.readlink(path)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        found["device"] = status.st_rdev
    return found


def path_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def tree_of(top):
    found = {}
    for folder, folders, files in os.walk(os.fsencode(top)):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, os.fsencode(top))] = describe(path)
    return found


def compare(tar, mountpoint):
    """The oracle is GNU tar, unpacking the same bytes."""
    import tempfile
    with tempfile.TemporaryDirectory(dir=pathlib.Path(tar).parent) as want_dir:
        subprocess.run(["tar", "--warning=none", "-xpf", tar, "-C", want_dir, "--numeric-owner", "--same-owner",
                        "--xattrs", "--xattrs-include=*"], check=True)
        want, got = tree_of(want_dir), tree_of(mountpoint)
    with tarfile.open(tar) as archive:
        named = {os.fsencode(os.path.normpath(name)) for name in archive.getnames()}
    bad = [f"only in the layer: {name}" for name in got.keys() - want.keys()]
    bad += [f"not in the layer: {name}" for name in want.keys() - got.keys()]
    for name in sorted(want.keys() & got.keys()):
        if name not in named:
            continue  # a parent that the archive does not name has no attributes of its own
        bad += [f"{name}: {key} is {got[name].get(key)}, not {value}"
                for key, value in want[name].items() if got[name].get(key) != value]
    print("".join(f"{line}\n" for line in bad), end="")
    return 1 if bad or not got else 0


def main(argv):
    if len(argv) == 4 and argv[1] == "compare":
        return compare(argv[2], argv[3])
    if len(argv) != 3 or argv[1] not in ("good", "evil"):
        sys.exit(__doc__)
    top = pathlib.Path(argv[2])
    top.mkdir(parents=True, exist_ok=True)
    if argv[1] == "good":
        make_good(top)
    else:
        make_evil(top, top.parent / "outside")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
