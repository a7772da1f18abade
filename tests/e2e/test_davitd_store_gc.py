# SPDX-License-Identifier: Apache-2.0
"""What nothing refers to goes, with its files; what a lease holds stays as long as the lease."""

import hashlib

import pytest

from harness.grpc_client import fails
from harness.wait import eventually

pytestmark = pytest.mark.davit
AT = {"snapshotter": "overlayfs"}


def put(client, data, **kwargs):
    name = f"sha256:{hashlib.sha256(data).hexdigest()}"
    w = client.content.Write()
    w(action=0, ref=name, total=len(data))
    w(action=2, data=data, total=len(data), expected=name, **kwargs)
    w.end()
    return name


def files(daemon):
    content = daemon.root / "io.containerd.content.v1.content"
    snapshots = daemon.root / "io.containerd.snapshotter.v1.overlayfs/snapshots"
    return sorted(p.name for where in (content / "blobs/sha256", content / "ingest", snapshots) if where.exists() for p in where.iterdir())


def test_a_lease_holds_what_is_made_under_it(client, store_daemon):
    client.leases.Create(id="mine")
    mine = client.using(lease="mine")
    name = put(mine, b"leased")
    mine.content.Write()(action=1, ref="half", data=b"half")
    mine.snapshots.Prepare(key="k", **AT)
    mine.snapshots.Commit(key="k", name="layer", **AT)
    mine.snapshots.Prepare(key="top", parent="layer", **AT)
    client.leases.Create(id="other")
    client.leases.Delete(id="other", sync=True)
    assert len(files(store_daemon)) == 4
    assert [r.id for r in client.leases.ListResources(id="mine").resources if r.type == "content"] == [name]
    client.leases.Delete(id="mine", sync=True)
    with fails("NOT_FOUND"):
        client.content.Info(digest=name)
    with fails("NOT_FOUND"):
        client.content.Status(ref="half")
    for key in "layer", "top":
        with fails("NOT_FOUND"):
            client.snapshots.Stat(key=key, **AT)
    eventually(lambda: files(store_daemon) == [], "the files are gone")


def test_labels_hold_what_they_name(client, store_daemon):
    root = {"containerd.io/gc.root": "x"}
    client.leases.Create(id="mine")
    mine = client.using(lease="mine")
    leaf = put(mine, b"leaf")
    mine.snapshots.Prepare(key="k", **AT)
    mine.snapshots.Commit(key="k", name="layer", **AT)
    lost = put(mine, b"lost")
    kept = put(client, b"root", labels={**root, "containerd.io/gc.ref.content.0": leaf, "containerd.io/gc.ref.snapshot.overlayfs": "layer"})
    client.leases.Delete(id="mine", sync=True)
    assert sorted(i.digest for m in client.content.List() for i in m.info) == sorted([leaf, kept])
    assert client.snapshots.Stat(key="layer", **AT).info.name == "layer"
    with fails("NOT_FOUND"):
        client.content.Info(digest=lost)
    client.content.Delete(digest=kept)
    client.leases.Create(id="x")
    client.leases.Delete(id="x", sync=True)
    eventually(lambda: files(store_daemon) == [], "the files are gone")


def test_a_file_stays_while_another_namespace_has_it(client, store_daemon):
    other = store_daemon.client()
    name = put(client, b"shared", labels={"containerd.io/gc.root": "x"})
    put(other, b"shared", labels={"containerd.io/gc.root": "x"})
    client.content.Delete(digest=name)
    client.leases.Create(id="x")
    client.leases.Delete(id="x", sync=True)
    assert b"".join(m.data for m in other.content.Read(digest=name)) == b"shared"
