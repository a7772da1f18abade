# SPDX-License-Identifier: Apache-2.0
"""The disk under davitd is full, read-only, or fails: who asked is told, a container does not notice, and it goes on after."""

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import leftovers
from harness.bystander import KEPT, Bystander, files, is_whole
from harness.chaos import KEEP, Chaos, digest_of
from harness.daemon import DidNotStart, need
from harness.grpc_client import fails, grpc
from harness.wait import eventually

pytestmark = pytest.mark.davit


def put(client, data):
    stream = client.content.Write()
    stream(action=2, ref=digest_of(data), total=len(data), expected=digest_of(data), data=data, labels=KEEP)
    stream.end()


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request, make_daemon, work, rootfs_template):
    """A bystander of a daemon whose root directory is a small disk of its own."""
    need("ctr")

    def mount(directory):
        (directory / "root").mkdir()
        if request.param == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", "size=32m", "davit-small", directory / "root"]
        else:
            need("mke2fs")
            if not pathlib.Path("/dev/loop-control").exists():
                pytest.skip("no loop devices")
            with open(work / "disk", "wb") as file:
                file.truncate(32 << 20)
            # Nothing is kept back for root.
            subprocess.run(["/usr/sbin/mke2fs", "-q", "-m", "0", "-t", "ext4", work / "disk"], check=True, stdout=subprocess.DEVNULL)
            command = ["mount", "-o", "loop", work / "disk", directory / "root"]
        subprocess.run(command, check=True)

    daemon = make_daemon(prepare=mount)
    found = Bystander(daemon, rootfs_template, work)
    yield found
    found.ctr.clean()
    daemon.server.stop()
    for path in sorted(leftovers.mounts([str(daemon.root)]), key=len, reverse=True):
        subprocess.run(["umount", path], check=True)


@contextlib.contextmanager
def full(root):
    """Not one block is left."""
    ballast = root / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(b"\1" * 4096):
                pass
        with contextlib.suppress(OSError):
            os.fsync(file.fileno())
    assert shutil.disk_usage(root).free < 4096
    yield
    ballast.unlink(missing_ok=True)


def test_full(small):
    """Who needs space is told, everything else goes on, a restart, too; and room can be made through the daemon."""
    daemon, client = small.daemon, small.daemon.client(small.ctr.namespace)
    old = b"is in the way" * 10000
    put(client, old)
    client.images.Create(image={"name": "old", "target": {"media_type": "t", "digest": digest_of(old), "size": len(old)}})
    client.content.Update(info={"digest": digest_of(old)}, update_mask={"paths": ["labels"]})    # the image alone keeps it
    before = files(daemon)
    with full(daemon.root):
        with fails("RESOURCE_EXHAUSTED") as failure:
            put(client, os.urandom(1 << 20))
        assert "no space left on device" in failure.text
        # The overlay's directories cannot be made; on a tmpfs, which has room for those, its content fails.
        small.ctr("run", "--rm", "--runtime", small.ctr.runtime, KEPT, "new", "sh", "-c", "echo content > /file", check=False)
        assert small.ctr.status != 0
        small.has_not_noticed()
        daemon.crash()
        client = daemon.client(small.ctr.namespace)
        small.has_not_noticed()
        small.ctr("snapshots", "rm", "new", check=False)
        client.images.Delete(name="old", sync=True)
        with fails("NOT_FOUND"):
            client.content.Info(digest=digest_of(old))
    for status in client.content.ListStatuses().statuses:
        client.content.Abort(ref=status.ref)
    eventually(lambda: files(daemon) == {**before, "blobs": before["blobs"] - 1}, "nothing is half there")
    as_before(small, client)


def as_before(small, client):
    """The disk is well again: everything is whole, and can be done again."""
    is_whole(client)
    small.has_not_noticed()
    put(client, os.urandom(1 << 20))
    assert small.ctr("run", "--rm", "--runtime", small.ctr.runtime, KEPT, "again", "echo", "again") == "again\n"
    small.end()


def test_read_only(small):
    """It says why it does not start; the container, which has written nothing there, goes on."""
    daemon = small.daemon
    before = files(daemon)
    daemon.server.kill()
    subprocess.run(["mount", "-o", "remount,ro", daemon.root], check=True)
    try:
        with pytest.raises(DidNotStart, match="read-only file system"):
            daemon.server.start()
        small.wait_for_output()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", daemon.root], check=True)
    daemon.server.start()
    client = daemon.client(small.ctr.namespace)
    assert files(daemon) == before
    as_before(small, client)


@pytest.mark.parametrize("point, error", [("meta.commit.sync:3", "EIO"), ("meta.commit.sync:12", "ENOSPC"),
                                          ("content.commit.data-synced:2", "ENOSPC")])
def test_step_fails(point, error, store_daemon, rootfs_template, work):
    """Who asked is told, and the daemon lives on. What could not be stored for sure is not tried again: a restart is needed."""
    need("ctr")
    stays = Bystander(store_daemon, rootfs_template, work)
    before, server = files(store_daemon), store_daemon.server
    server.environment["DAVIT_FAULT"] = f"{point}={error}"
    store_daemon.crash()
    load = Chaos(stays, rootfs_template, work, n_workers=1)
    assert load.run(lambda it: it.workers[0].failure)
    failure, load.workers[0].failure = load.workers[0].failure, None
    assert isinstance(failure, grpc.RpcError)
    assert failure.code().name in ("INTERNAL", "RESOURCE_EXHAUSTED"), failure
    assert server.process.poll() is None
    stays.has_not_noticed()
    del server.environment["DAVIT_FAULT"]
    store_daemon.crash()
    client = store_daemon.client(stays.ctr.namespace)
    load.check(client)
    is_whole(client)
    stays.has_not_noticed()
    load.undo(client)
    eventually(lambda: files(store_daemon) == before, f"nothing is left: {files(store_daemon)}, before {before}")
    stays.end()
