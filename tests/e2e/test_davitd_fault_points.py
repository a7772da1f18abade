# SPDX-License-Identifier: Apache-2.0
"""davitd is killed at each of its fault points; the next one finds everything whole, and can be used as before."""

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess

import pytest

from harness import image
from harness.grpc_client import grpc
from harness.store_fixtures import davitd_path
from harness.wait import eventually

pytestmark = pytest.mark.davit
KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}
LAYER = "application/vnd.oci.image.layer.v1.tar"
SNAPSHOTTER, ID = "overlayfs", "box"


def points():
    if not os.access(davitd_path(), os.X_OK) or davitd_path().name == "containerd":
        return []
    names = subprocess.run([davitd_path(), "--list-faults"], capture_output=True, text=True, check=True).stdout.split()
    return sorted(f"{name}:{nth}" for name in names for nth in ((1, 2, 5, 9, 14) if name.startswith("meta.") else (1,)))


@pytest.fixture(scope="module")
def layer(rootfs_template):
    return image.layer(rootfs_template)


class Life:
    """A layer, a container and its end: everything that the daemon does durably, once."""

    def __init__(self, daemon, layer, work):
        self.daemon, self.layer, self.work = daemon, layer, work
        self.loses_shim = False
        self.digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"

    def connect(self):
        self.client = self.daemon.client("faults")

    def put(self, blob, labels):
        stream = self.client.content.Write()
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        stream(action=2, ref=digest, total=len(blob), expected=digest, data=blob, labels=labels)
        stream.end()

    def kill_shim(self):
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (process / "exe").readlink().name.startswith("containerd-shim") and \
                        str((process / "cwd").readlink()).startswith(str(self.daemon.directory)):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue

    def spec(self):
        bundle = self.work / "spec"
        bundle.mkdir(exist_ok=True)
        (bundle / "config.json").unlink(missing_ok=True)
        subprocess.run([davitd_path().parents[1] / "davit-oci/davit-oci", "spec", "--bundle", bundle], check=True)
        spec = json.loads((bundle / "config.json").read_text())
        spec["process"].update(terminal=False, args=["/bin/true"])
        spec["linux"]["cgroupsPath"] = f"/{self.work.name}"
        return self.daemon.api.json(json.dumps(spec), "types.containerd.io/opencontainers/runtime-spec/1/Spec")

    def run(self):
        api = self.client
        self.put(self.layer, KEEP)
        mounts = api.snapshots.Prepare(snapshotter=SNAPSHOTTER, key="making", labels=KEEP).mounts
        api.diff.Apply(diff={"media_type": LAYER, "digest": self.digest, "size": len(self.layer)}, mounts=mounts)
        api.snapshots.Commit(snapshotter=SNAPSHOTTER, name="layer", key="making", labels=KEEP)
        mounts = api.snapshots.Prepare(snapshotter=SNAPSHOTTER, key=ID, parent="layer", labels=KEEP).mounts
        api.containers.Create(container={"id": ID, "runtime": {"name": "io.containerd.davit.v2"}, "spec": self.spec(),
                                         "snapshotter": SNAPSHOTTER, "snapshot_key": ID})
        api.tasks.Create(container_id=ID, rootfs=mounts)
        api.tasks.Start(container_id=ID)
        assert api.tasks.Wait(container_id=ID).exit_status == 0
        if self.loses_shim:
            self.kill_shim()
            eventually(lambda: not api.tasks.List().tasks, "the daemon has seen that the shim is gone")
        api.tasks.Delete(container_id=ID)
        self.undo()
        self.put(b"nobody refers to it", {})
        api.content.Delete(digest=self.digest)
        eventually(lambda: not self.blobs(), "the collector has removed the other blob")

    def undo(self):
        """Whatever is there of it goes, as a client would do it that finds it."""
        api = self.client
        for call, fields in [(api.tasks.Kill, {"container_id": ID, "signal": 9, "all": True}), (api.tasks.Wait, {"container_id": ID}),
                             (api.tasks.Delete, {"container_id": ID}), (api.containers.Delete, {"id": ID}),
                             *((api.snapshots.Remove, {"snapshotter": SNAPSHOTTER, "key": key}) for key in (ID, "making", "layer"))]:
            try:
                call(**fields, timeout=30)
            except grpc.RpcError as e:
                assert e.code().name in ("NOT_FOUND", "FAILED_PRECONDITION"), e

    def blobs(self):
        return [info for message in self.client.content.List() for info in message.info]

    def check(self):
        """What is said to be there is there."""
        for info in self.blobs():
            data = b"".join(message.data for message in self.client.content.Read(digest=info.digest))
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == info.digest and len(data) == info.size
        for message in self.client.snapshots.List(snapshotter=SNAPSHOTTER):
            for info in message.info:
                if info.kind != 3:    # committed
                    assert self.client.snapshots.Mounts(snapshotter=SNAPSHOTTER, key=info.name).mounts

    def leftovers(self):
        root, state = self.daemon.root, self.daemon.directory / "state"
        return [str(p) for pattern in (root / "io.containerd.content.v1.content/blobs/sha256", root / "io.containerd.content.v1.content/ingest",
                                       root / "io.containerd.snapshotter.v1.overlayfs/snapshots",
                                       state / "io.containerd.runtime.v2.task/faults") if pattern.exists() for p in pattern.iterdir()]


@pytest.mark.parametrize("point", points())
def test_killed_at(point, store_daemon, layer, work):
    life, server = Life(store_daemon, layer, work), store_daemon.server
    life.loses_shim = point.startswith("task.end.shim-cleaned-up")
    server.stop()
    server.environment["DAVIT_FAULT"] = point
    try:
        server.start()
        life.connect()
        with contextlib.suppress(grpc.RpcError, AssertionError):
            life.run()
    except pytest.skip.Exception:
        pass    # it did not even get so far as to answer
    assert server.process.wait(30) == -9
    del server.environment["DAVIT_FAULT"]
    life.loses_shim = False
    server.start()
    life.connect()
    life.check()
    life.undo()
    for info in life.blobs():
        life.client.content.Delete(digest=info.digest)
    life.run()
    eventually(lambda: not life.leftovers(), f"nothing is left: {life.leftovers()}")
