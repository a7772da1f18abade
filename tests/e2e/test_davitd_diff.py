# SPDX-License-Identifier: Apache-2.0
"""Diff.Apply: layers of all kinds onto snapshots, and archives that mean harm."""

import gzip
import hashlib
import io
import os
import stat
import struct
import subprocess
import tarfile
import time

import pytest

from harness.grpc_client import fails

pytestmark = pytest.mark.davit
WRITE, COMMIT = 1, 2
KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}
LAYER = "application/vnd.oci.image.layer.v1.tar"
CAP_NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)    # vfs_cap_data, version 2, effective


def entry(name, kind=tarfile.REGTYPE, mode=0o644, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.size = kind, mode, 1_600_000_000, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def folder(name, mode=0o755, **more):
    return entry(name, tarfile.DIRTYPE, mode, **more)


def tar(*entries, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layers:
    """Snapshots of one snapshotter, one layer on the other."""

    def __init__(self, client, snapshotter):
        self.client, self.snapshotter, self.count = client, snapshotter, 0

    def put(self, blob):
        stream = self.client.content.Write()
        stream(action=COMMIT, ref=digest(blob), total=len(blob), expected=digest(blob), data=blob, labels=KEEP)
        stream.end()
        return {"digest": digest(blob), "size": len(blob)}

    def prepare(self, parent=""):
        self.count += 1
        key = f"k{self.count}"
        return key, self.client.snapshots.Prepare(snapshotter=self.snapshotter, key=key, parent=parent, labels=KEEP).mounts

    def apply(self, blob, parent="", media_type=LAYER):
        """The name of a committed snapshot with the layer on @parent."""
        key, mounts = self.prepare(parent)
        applied = self.client.diff.Apply(diff={"media_type": media_type, **self.put(blob)}, mounts=mounts).applied
        self.applied = applied
        self.client.snapshots.Commit(snapshotter=self.snapshotter, key=key, name=f"{key}-done", labels=KEEP)
        return f"{key}-done"

    def refuse(self, blob, *codes):
        """The daemon's words about a layer that it does not unpack."""
        key, mounts = self.prepare()
        with fails(*codes) as failure:
            self.client.diff.Apply(diff={"media_type": LAYER, **self.put(blob)}, mounts=mounts)
        return failure.text, source(mounts)


def source(mounts):
    assert len(mounts) == 1 and mounts[0].type == "bind", mounts
    return mounts[0].source


@pytest.fixture(params=["overlayfs", "native"])
def layers(client, request):
    return Layers(client, request.param)


@pytest.fixture
def mounted(layers, tmp_path):
    """Mounts a committed snapshot, and looks at it."""
    places = []

    def mount(name):
        place = tmp_path / f"m{len(places)}"
        place.mkdir()
        layers.count += 1
        m = layers.client.snapshots.View(snapshotter=layers.snapshotter, key=f"v{layers.count}", parent=name, labels=KEEP).mounts[0]
        subprocess.run(["mount", "-t", m.type, m.source, *(["-o", ",".join(m.options)] if m.options else []), place], check=True) \
            if m.type == "overlay" else subprocess.run(["mount", "--bind", "-o", "ro", m.source, place], check=True)
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", place], check=True)


def test_all_that_a_file_can_have(layers, mounted):
    long_name = "/".join(["d" * 100] * 12) + "/" + "n" * 200
    blob = tar(
        folder("etc", 0o750, uid=3, gid=4),
        entry("etc/passwd", data=b"root\n", uid=1000, gid=1001, mtime=1234567890.5),
        entry("./usr/bin/tool", data=b"x" * 100_000, mode=0o4755),
        entry("/absolute", data=b"a"),
        entry("etc/link", tarfile.SYMTYPE, linkname="../somewhere/else"),
        entry("etc/hard", tarfile.LNKTYPE, linkname="etc/passwd", uid=1000, gid=1001, mtime=1234567890.5),
        entry("fifo", tarfile.FIFOTYPE, 0o600),
        entry("dev/null", tarfile.CHRTYPE, 0o666, devmajor=1, devminor=3),
        entry("dev/loop", tarfile.BLKTYPE, 0o660, devmajor=7, devminor=9, gid=6),
        entry("ping", data=b"ELF", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": CAP_NET_RAW.decode("utf-8", "surrogateescape"),
                                                             "SCHILY.xattr.user.note": "hello"}),
        folder("shared", 0o2775, gid=50), entry("shared/file", data=b"s", uid=5, gid=6),
        folder("tmp", 0o1777),
        entry(long_name, data=b"long"),
        entry("grüße/日本", data=b"utf-8"),
        folder("etc", 0o755, uid=3, gid=4))
    top = mounted(layers.apply(gzip.compress(blob), media_type=LAYER + "+gzip"))
    assert (layers.applied.digest, layers.applied.size, layers.applied.media_type) == (digest(blob), len(blob), LAYER)
    passwd = (top / "etc/passwd").stat()
    assert (passwd.st_uid, passwd.st_gid, passwd.st_nlink, passwd.st_mtime_ns) == (1000, 1001, 2, 1234567890_500000000)
    assert (top / "etc/hard").read_text() == "root\n"
    assert ((top / "etc").stat().st_mode & 0o7777, (top / "etc").stat().st_uid) == (0o755, 3)
    assert (top / "etc").stat().st_mtime == 1_600_000_000
    assert (top / "usr/bin/tool").stat().st_mode & 0o7777 == 0o4755 and (top / "usr/bin/tool").stat().st_size == 100_000
    assert (top / "usr/bin").stat().st_mode & 0o7777 == 0o755
    assert (top / "absolute").read_text() == "a"
    assert os.readlink(top / "etc/link") == "../somewhere/else"
    assert stat.S_ISFIFO((top / "fifo").lstat().st_mode)
    null = (top / "dev/null").lstat()
    assert stat.S_ISCHR(null.st_mode) and null.st_rdev == os.makedev(1, 3) and null.st_mode & 0o777 == 0o666
    loop = (top / "dev/loop").lstat()
    assert stat.S_ISBLK(loop.st_mode) and loop.st_rdev == os.makedev(7, 9) and loop.st_gid == 6
    assert os.getxattr(top / "ping", "security.capability") == CAP_NET_RAW
    assert os.getxattr(top / "ping", "user.note") == b"hello"
    assert (top / "shared").stat().st_mode & 0o7777 == 0o2775 and (top / "shared/file").stat().st_gid == 6
    assert (top / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (top / long_name).read_text() == "long" and (top / "grüße/日本").read_text() == "utf-8"


def test_sparse_files(layers, mounted, tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate(1 << 30)
        os.pwrite(file.fileno(), b"middle", 500 << 20)
    for form in ("gnu", "pax"):
        blob = subprocess.run(["tar", "-C", tmp_path, f"--format={form}", "--sparse", "-cf", "-", "big"], check=True, capture_output=True).stdout
        assert len(blob) < 1 << 20
        big = mounted(layers.apply(blob)) / "big"
        assert big.stat().st_size == 1 << 30 and big.stat().st_blocks * 512 < 1 << 20
        with open(big, "rb") as file:
            assert os.pread(file.fileno(), 8, (500 << 20) - 1) == b"\0middle\0"


def test_whiteouts(layers, mounted):
    base = layers.apply(tar(folder("d"), entry("d/one", data=b"1"), entry("d/two", data=b"2"), folder("d/sub"), entry("d/sub/x"),
                            folder("o", 0o700), entry("o/old"), folder("o/olddir"), entry("o/olddir/x"), entry("gone"), folder("r"), entry("r/old")))
    top = layers.apply(tar(entry("d/.wh.one"), entry("d/.wh.sub"), entry(".wh.gone"), folder("o", 0o711), entry("o/.wh..wh..opq"),
                           entry("o/new", data=b"n"), entry("r/.wh..wh..opq"), entry("r/early"), entry(".wh..wh.plnk"), entry("d/.wh.never")), base)
    seen = mounted(top)
    assert sorted(os.listdir(seen)) == ["d", "o", "r"]
    assert sorted(os.listdir(seen / "d")) == ["two"]
    assert sorted(os.listdir(seen / "o")) == ["new"] and (seen / "o").stat().st_mode & 0o777 == 0o711
    assert sorted(os.listdir(seen / "r")) == ["early"]
    assert sorted(os.listdir(mounted(base))) == ["d", "gone", "o", "r"]


def test_a_directory_in_the_place_of_what_was_removed(layers, mounted):
    base = layers.apply(tar(folder("a"), entry("a/old"), folder("b"), entry("b/old")))
    top = layers.apply(tar(entry(".wh.a"), folder("a"), entry("a/new"), folder("b"), entry("b/new"), entry(".wh.b")), base)
    seen = mounted(top)
    assert os.listdir(seen / "a") == ["new"] and os.listdir(seen / "b") == ["new"]


def test_one_kind_replaces_another(layers, mounted):
    base = layers.apply(tar(folder("dir"), entry("dir/x"), entry("file", data=b"f"), entry("link", tarfile.SYMTYPE, linkname="dir")))
    top = mounted(layers.apply(tar(entry("dir", data=b"now a file"), folder("file"), entry("file/x", data=b"y"), entry("link", data=b"l")), base))
    assert (top / "dir").read_text() == "now a file" and (top / "file/x").read_text() == "y"
    assert not (top / "link").is_symlink() and (top / "link").read_text() == "l"
    same = mounted(layers.apply(tar(entry("twice", data=b"1"), entry("twice", data=b"22"), folder("t"), entry("t/in"), entry("t", data=b"file"))))
    assert (same / "twice").read_text() == "22" and (same / "t").read_text() == "file"


def test_parents_that_the_archive_leaves_out(layers, mounted):
    base = layers.apply(tar(folder("var", 0o711, uid=7, gid=8), folder("var/spool", 0o1770, uid=9, gid=10)))
    top = mounted(layers.apply(tar(entry("var/spool/new/file", data=b"x")), base))
    assert (top / "var/spool/new/file").read_text() == "x"
    spool, var = (top / "var/spool").stat(), (top / "var").stat()
    assert (var.st_mode & 0o7777, var.st_uid, var.st_gid) == (0o711, 7, 8)
    assert (spool.st_mode & 0o7777, spool.st_uid, spool.st_gid) == (0o1770, 9, 10)
    assert (top / "var/spool/new").stat().st_mode & 0o7777 == 0o755


def test_owner_of_a_directory_that_was_there(layers, mounted):
    """It becomes root's, too: by a layer, or by an entry behind those that are in it."""
    base = layers.apply(tar(folder("a", uid=1000, gid=1000), folder("b", uid=1000, gid=1000), folder("c", uid=1000, gid=1000)))
    top = mounted(layers.apply(tar(folder("a"), entry("b/file"), folder("b"), folder("c", uid=5), folder("c")), base))
    for name in "abc":
        assert ((top / name).stat().st_uid, (top / name).stat().st_gid) == (0, 0), name


def test_directories_in_directories(layers, mounted):
    """More than there may be files open."""
    deep = "/".join(["d"] * 300)
    base = layers.apply(tar(entry(f"{deep}/old"), entry("d/old")))
    top = mounted(layers.apply(tar(entry(f"{deep}/new"), entry("d/.wh..wh..opq")), base))
    assert os.listdir(top / deep) == ["new"] and os.listdir(top / "d") == ["d"]


def test_forms_of_compression(layers, mounted):
    blob = tar(entry("file", data=os.urandom(300_000)))
    halves = gzip.compress(blob[:100_000]) + gzip.compress(blob[100_000:])
    zstd = subprocess.run(["zstd", "-q", "-c"], input=blob, capture_output=True, check=True).stdout if os.path.exists("/usr/bin/zstd") else None
    for kind, packed in (("", blob), ("+gzip", gzip.compress(blob)), ("+gzip", halves), ("+zstd", zstd)):
        if packed is None:
            continue
        name = layers.apply(packed, media_type=LAYER + kind)
        assert layers.applied.digest == digest(blob) and layers.applied.size == len(blob)
        assert (mounted(name) / "file").stat().st_size == 300_000


def outside(directory):
    return [path for path in ("etc/evil", "evil", "../evil") if os.path.lexists(os.path.join("/", path))]


HOSTILE = {
    "up": [entry("../evil", data=b"e")],
    "up in the middle": [entry("a/../../evil", data=b"e")],
    "hard link out": [entry("evil", tarfile.LNKTYPE, linkname="../../../../etc/passwd")],
    "hard link to nothing": [entry("evil", tarfile.LNKTYPE, linkname="/etc/shadow")],
    "hard link through a link": [entry("l", tarfile.SYMTYPE, linkname="/etc"), entry("evil", tarfile.LNKTYPE, linkname="l/passwd")],
    "whiteout of nothing": [entry(".wh.")],
    "whiteout of the parent": [folder("a"), entry("a/.wh...")],
    "a name that is too long": [entry("n" * 300)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives(layers, name):
    text, place = layers.refuse(tar(*HOSTILE[name]), "INVALID_ARGUMENT", "NOT_FOUND", "UNKNOWN", "INTERNAL", "OUT_OF_RANGE")
    assert "entry" in text and HOSTILE[name][-1][0].name[:100] in text
    assert not outside(place)


def sparse(name, size, chunks, data=b""):
    """Of PAX's sparse format 1.0: (offset, length) of what is no hole."""
    numbers = "".join(f"{n}\n" for n in (len(chunks), *(n for chunk in chunks for n in chunk))).encode()
    return entry(f"GNUSparseFile.0/{name}", data=numbers.ljust(512, b"\0") + data, pax_headers={
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": str(size)})


def test_holes_count_as_well(layers, mounted):
    """Whoever reads the file later has to do with all of it."""
    top = mounted(layers.apply(tar(sparse("fine", 1 << 32, [(100, 3)], b"abc"))))
    assert (top / "fine").stat().st_size == 1 << 32
    text, place = layers.refuse(tar(sparse("a", 1 << 39, []), sparse("b", 1 << 39, []), sparse("c", 1, [])), "RESOURCE_EXHAUSTED")
    assert "entry c" in text
    text, place = layers.refuse(tar(sparse("beyond", 10, [(1 << 45, 3)], b"abc")), "INVALID_ARGUMENT")
    assert "entry beyond" in text and os.stat(os.path.join(place, "beyond")).st_size == 0


def test_links_stay_inside(layers, mounted):
    """What is written through a link is written into the layer, wherever the link seems to lead."""
    top = mounted(layers.apply(tar(entry("a", tarfile.SYMTYPE, linkname="/etc"), folder("etc"), entry("a/evil-davit-test", data=b"e"),
                                   entry("up", tarfile.SYMTYPE, linkname="../../../../../../../.."), entry("up/evil-davit-test", data=b"e"))))
    assert (top / "etc/evil-davit-test").read_text() == "e" and (top / "evil-davit-test").read_text() == "e"
    assert not os.path.exists("/etc/evil-davit-test") and not os.path.exists("/evil-davit-test")


def test_attributes_of_the_host_are_not_the_archives(layers, mounted):
    top = mounted(layers.apply(tar(entry("f", pax_headers={"SCHILY.xattr.trusted.overlay.metacopy": "y", "SCHILY.xattr.user.overlay.opaque": "y",
                                                           "SCHILY.xattr.trusted.evil": "y", "SCHILY.xattr.user.fine": "y"}))))
    assert os.listxattr(top / "f") == ["user.fine"]


def test_damage(layers):
    blob = gzip.compress(tar(entry("file", data=os.urandom(1 << 20))))
    text, _ = layers.refuse(blob[:-1000], "INVALID_ARGUMENT")
    assert "cut off" in text
    broken = bytearray(blob)
    broken[len(blob) // 2] ^= 0xff
    layers.refuse(bytes(broken), "INVALID_ARGUMENT")
    layers.refuse(b"this is no archive" * 1000, "INVALID_ARGUMENT")


def test_a_bomb_and_a_client_that_goes(layers):
    """A terabyte of zeros is a gigabyte of gzip; the client's patience ends before the daemon's."""
    head = tar(entry("zeros", data=b""))[:512]
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 38
    blob = gzip.compress(info.tobuf(tarfile.GNU_FORMAT), 1) + gzip.compress(bytes(64 << 20), 1) * 40
    assert len(head) == 512
    key, mounts = layers.prepare()
    before = time.monotonic()
    with fails("DEADLINE_EXCEEDED", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"):
        layers.client.diff.Apply(diff={"media_type": LAYER, **layers.put(blob)}, mounts=mounts, timeout=1)
    assert time.monotonic() - before < 30


def test_no_layers(layers):
    key, mounts = layers.prepare()
    with fails("UNIMPLEMENTED"):
        layers.client.diff.Apply(diff={"media_type": "text/plain", **layers.put(tar(entry("x")))}, mounts=mounts)
    with fails("NOT_FOUND"):
        layers.client.diff.Apply(diff={"media_type": LAYER, "digest": digest(b"none"), "size": 4}, mounts=mounts)


def test_many_entries(layers, mounted):
    count = 30_000
    blob = tar(*(entry(f"d{i % 100}/f{i}") for i in range(count)))
    top = mounted(layers.apply(gzip.compress(blob, 1), media_type=LAYER + "+gzip"))
    assert len(os.listdir(top)) == 100 and len(os.listdir(top / "d7")) == count // 100
