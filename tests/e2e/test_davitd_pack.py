# SPDX-License-Identifier: Apache-2.0
"""Diff.Diff: a layer of what differs between two snapshots; unpacked again it is what was packed."""

import gzip
import hashlib
import io
import os
import socket
import stat
import struct
import subprocess
import tarfile

import pytest

from harness.daemon import need
from harness.grpc_client import fails
from harness.snapshots import KEEP, Snapshots

pytestmark = pytest.mark.davit
CAP_NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)    # vfs_cap_data, version 2, effective
TAR = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture
def store_daemon(one_store_daemon):
    """Of all tests here; each has a namespace of its own."""
    return one_store_daemon


@pytest.fixture(params=["overlayfs", "native"])
def snapshots(client, request, tmp_path):
    found = Snapshots(client, request.param, tmp_path)
    found.client = client
    return found


def blob(client, digest):
    return b"".join(message.data for message in client.content.Read(digest=digest))


def diff(snapshots, key, parent="", **more):
    """The layer of an active snapshot, and what the daemon says of it."""
    left = []
    if parent:
        view = f"left of {key}"
        left = snapshots.view(view, parent)
    made = snapshots.client.diff.Diff(left=left, right=snapshots.mounts(key), labels=KEEP, **more).diff
    if parent:
        snapshots.remove(view)
    return made


def entries(data):
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)) as tar:
        return {info.name: info for info in tar}


def tree(root):
    """All that a layer keeps of the files below."""
    found, inodes = {}, {}
    for directory, folders, files in os.walk(root):
        for name in sorted(folders) + sorted(files):
            path = os.path.join(directory, name)
            st, short = os.lstat(path), os.path.relpath(path, root)
            told = [oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
            if stat.S_ISREG(st.st_mode):
                told += [st.st_size, hashlib.sha256(open(path, "rb").read()).hexdigest(), st.st_nlink]
                inodes.setdefault(st.st_ino, []).append(short)
            elif stat.S_ISLNK(st.st_mode):
                told.append(os.readlink(path))
            elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
                told.append(st.st_rdev)
            told.append({key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
                         if not key.startswith(("trusted.", "security.selinux"))})
            found[short] = told
    return found, sorted(names for names in inodes.values() if len(names) > 1)


def fill(root):
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/file").write_text("one")
    (root / "dir/sub/deep").write_text("two")
    (root / "opaque").mkdir()
    (root / "opaque/below").write_text("hidden later")
    (root / "gone").mkdir()
    (root / "gone/file").write_text("removed with it")
    (root / "same").write_text("same")
    (root / "turns").write_text("into a directory")
    (root / "tool").write_bytes(b"#!/bin/sh\n")


def change(root):
    """Everything that a container can do to its files."""
    (root / "dir/file").write_text("other")
    (root / "dir/sub/deep").unlink()
    subprocess.run(["rm", "-r", root / "gone", root / "opaque", root / "turns"], check=True)
    (root / "opaque").mkdir(0o750)
    (root / "opaque/above").write_text("seen")
    (root / "turns").mkdir()
    (root / "turns/inside").write_text("x")
    os.chown(root / "tool", 1000, 1001)
    os.chmod(root / "tool", 0o4755)
    os.setxattr(root / "tool", "security.capability", CAP_NET_RAW)
    (root / "new").write_bytes(bytes(range(256)) * 5000)
    os.link(root / "new", root / "dir/hard")
    os.setxattr(root / "new", "user.colour", b"red\0blue")
    os.symlink("../somewhere/else", root / "link")
    os.symlink("gone", root / "dir/dangling")
    os.mkfifo(root / "fifo", 0o640)
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    with open(root / "sparse", "wb") as sparse:
        sparse.truncate(64 << 20)
        sparse.seek(32 << 20)
        sparse.write(b"island")
    with open(root / "holes", "wb") as holes:
        holes.truncate(1 << 20)
    (root / "empty").touch()
    (root / "ünï" / ("n" * 200)).mkdir(parents=True)
    (root / "ünï" / ("n" * 200) / ("m" * 200)).write_text("long")
    open(os.fsencode(root) + b"/latin\xe9", "w").close()
    (root / "sticky").mkdir()
    os.chmod(root / "sticky", 0o3777)
    for i, path in enumerate(sorted(path for path in root.rglob("*") if path.name != "same")):
        os.utime(path, ns=(10**18 + i, 10**18 + 123456789 + i), follow_symlinks=False)


def test_there_and_back(snapshots):
    need("zstd")
    snapshots.layer("base", fill)
    with snapshots.mounted(snapshots.prepare("work", "base")) as root:
        change(root)
        expected = tree(root)
    for kind in ("", TAR, f"{TAR}+zstd"):
        made = diff(snapshots, "work", "base", media_type=kind)
        assert made.media_type == (kind or f"{TAR}+gzip")
        data = blob(snapshots.client, made.digest)
        assert len(data) == made.size < 5 << 20 and hashlib.sha256(data).hexdigest() == made.digest[7:]
        mounts = snapshots.prepare(f"again {kind}", "base")
        applied = snapshots.client.diff.Apply(diff=made, mounts=mounts).applied
        info = snapshots.client.content.Info(digest=made.digest).info
        assert info.labels["containerd.io/uncompressed"] == applied.digest
        with snapshots.mounted(mounts) as root:
            assert tree(root) == expected
            assert (root / "sparse").stat().st_blocks < 10000
        if kind == TAR:
            names = entries(data)
            assert "same" not in names and "gone/file" not in names and ".wh.gone" in names and "dir/sub/.wh.deep" in names


def test_nothing_but_the_socket(snapshots):
    snapshots.layer("base", fill)
    with snapshots.mounted(snapshots.prepare("work", "base")) as root:
        (root / "same").touch()
        listening = socket.socket(socket.AF_UNIX)
        held = os.open(root, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{held}/socket")
        os.close(held)
        listening.close()
    made = diff(snapshots, "work", "base", ref="my-ref")
    assert set(entries(blob(snapshots.client, made.digest))) == {"same"}
    assert made == diff(snapshots, "work", "base", ref="my-ref") and not snapshots.client.content.ListStatuses().statuses


def test_base_and_no_change(snapshots):
    with snapshots.mounted(snapshots.prepare("work")) as root:
        fill(root)
    names = entries(blob(snapshots.client, diff(snapshots, "work").digest))
    assert {"dir", "dir/file", "dir/sub/deep", "opaque/below", "same"} <= set(names)
    snapshots.commit("base", "work")
    snapshots.prepare("idle", "base")
    assert entries(blob(snapshots.client, diff(snapshots, "idle", "base").digest)) == {}


def test_over_several_layers(snapshots):
    """Two layers in one: no directory of a snapshotter has that, both trees are looked at."""
    snapshots.layer("base", fill)
    snapshots.layer("middle", lambda root: (root / "middle").write_text("m"), "base")
    with snapshots.mounted(snapshots.prepare("work", "middle")) as root:
        change(root)
        expected = tree(root)
    made = diff(snapshots, "work", "base")
    assert "middle" in entries(blob(snapshots.client, made.digest))
    mounts = snapshots.prepare("again", "base")
    snapshots.client.diff.Apply(diff=made, mounts=mounts)
    with snapshots.mounted(mounts) as root:
        assert tree(root) == expected
    backwards = snapshots.client.diff.Diff(left=snapshots.mounts("work"), right=snapshots.view("v", "base"), labels=KEEP).diff
    names = entries(blob(snapshots.client, backwards.digest))
    assert ".wh.middle" in names and ".wh.new" in names and "gone/file" in names


def test_same_bytes_each_time(snapshots):
    """SOURCE_DATE_EPOCH: nothing is newer, and two snapshots that were filled alike have one layer."""
    snapshots.layer("base", fill)
    digests = set()
    for key in ("one", "two"):
        with snapshots.mounted(snapshots.prepare(key, "base")) as root:
            (root / "b").write_text("b")
            (root / "a").write_text("a")
            (root / "dir/file").unlink()
            os.utime(root / "b", (1_500_000_000, 1_500_000_000))
        made = diff(snapshots, key, "base", source_date_epoch={"seconds": 1_600_000_000})
        digests.add(made.digest)
    assert len(digests) == 1
    names = entries(blob(snapshots.client, made.digest))
    assert names["b"].mtime == 1_500_000_000 and {info.mtime for name, info in names.items() if name != "b"} == {1_600_000_000}
    assert all(not info.uname and not [key for key in info.pax_headers if key.startswith(("SCHILY.ino", "atime", "ctime"))]
               for info in names.values())


def test_refused(snapshots):
    snapshots.layer("base", fill)
    with snapshots.mounted(snapshots.prepare("work", "base")) as root:
        (root / "dir/.wh.trick").write_text("would remove another file")
    with fails("INVALID_ARGUMENT") as failure:
        diff(snapshots, "work", "base")
    assert "dir/.wh.trick" in failure.text
    with fails("UNIMPLEMENTED"):
        diff(snapshots, "work", media_type="application/x-other")
    with fails("INVALID_ARGUMENT"):
        snapshots.client.diff.Diff(left=snapshots.view("v", "base"))
    with fails("UNIMPLEMENTED"):
        snapshots.client.diff.Diff(right=[{"type": "tmpfs", "source": "tmpfs"}])
    assert not snapshots.client.content.ListStatuses().statuses


def test_deep_tree(snapshots):
    snapshots.layer("base", fill)
    with snapshots.mounted(snapshots.prepare("work", "base")) as root:
        directory = os.open(root, os.O_RDONLY)
        for _ in range(600):
            os.mkdir("d", dir_fd=directory)
            inner = os.open("d", os.O_RDONLY, dir_fd=directory)
            os.close(directory)
            directory = inner
        os.close(directory)
        try:
            assert len(entries(blob(snapshots.client, diff(snapshots, "work", "base").digest))) == 600
        finally:
            subprocess.run(["rm", "-rf", root / "d"], check=True)    # Python's own way does not get that deep


def test_ctr(snapshots, store_daemon):
    """`ctr snapshots diff`."""
    need("ctr")
    snapshots.layer("base", fill)
    snapshots.layer("top", lambda root: (root / "added").write_text("by a container"), "base")
    done = subprocess.run(["ctr", "--address", store_daemon.directory / "sock", "--namespace", snapshots.client.namespace, "snapshots",
                           "--snapshotter", snapshots.name, "diff", "top"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(entries(done.stdout)) == {"added"}
