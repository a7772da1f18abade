# SPDX-License-Identifier: Apache-2.0
"""davit.system.v1: info, check and repair, disk usage, prune; a database that is damaged; records of sandboxes."""

import hashlib
import os
import platform
import time

import pytest

from harness.daemon import DidNotStart
from harness.grpc_client import fails
from harness.store_fixtures import fault_points

pytestmark = pytest.mark.davit
KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}


def put(client, data, labels=KEEP):
    name = f"sha256:{hashlib.sha256(data).hexdigest()}"
    w = client.content.Write()
    w(action=0, ref=name, total=len(data))
    w(action=2, data=data, total=len(data), expected=name, labels=labels)
    w.end()
    return name


def file_of(daemon, name):
    return daemon.root / "io.containerd.content.v1.content/blobs/sha256" / name.split(":")[1]


def database(daemon):
    return daemon.root / "io.containerd.metadata.v1.sqlite/meta.db"


def image(client, name, target):
    return client.images.Create(image={"name": name, "target": {"media_type": "t", "digest": target, "size": 1}})


def test_all_is_well(client):
    put(client, b"hello")
    client.snapshots.Prepare(key="k", snapshotter="overlayfs")
    assert client.system.Check(deep=True) == []


def test_a_lost_blob(client, store_daemon):
    name = put(client, b"hello")
    file_of(store_daemon, name).unlink()
    found, = client.system.Check()
    assert (found.kind, found.object, found.can_repair, found.repaired) == ("blob", name, True, False)
    found, = client.system.Repair()
    assert found.repaired
    assert client.system.Check(deep=True) == []
    with fails("NOT_FOUND"):
        client.content.Info(digest=name)
    put(client, b"hello")


def test_wrong_bytes_are_found_by_a_deep_look(client, store_daemon):
    name = put(client, b"hello")
    file_of(store_daemon, name).write_bytes(b"jello")
    assert client.system.Check() == []
    found, = client.system.Repair(deep=True)
    assert found.object == name and found.repaired
    assert not file_of(store_daemon, name).exists()


def test_an_image_without_content(client):
    name = put(client, b"hello")
    image(client, "i", name)
    client.content.Delete(digest=name)
    found = [f for f in client.system.Repair() if f.kind == "image"]
    assert [(f.namespace, f.object, f.can_repair) for f in found] == [(client.namespace, "i", False)]


def test_disk_usage_and_prune(client):
    used, unused = put(client, b"used", {}), None
    image(client, "used", used)
    unused = put(client, b"unused..", KEEP)
    image(client, "unused", unused)
    client.content.Update(info={"digest": unused}, update_mask={"paths": ["labels"]})
    client.containers.Create(container={"id": "c", "image": "used", "runtime": {"name": "r"}, "spec": {"type_url": "t"}})
    usage = {u.kind: u for u in client.system.DiskUsage(namespace=client.namespace).usages}
    assert (usage["images"].count, usage["images"].active) == (2, 1)
    assert (usage["content"].count, usage["content"].size) == (2, 12)
    assert usage["metadata"].size > 0
    answer = client.system.Prune(namespace=client.namespace, all_images=True)
    assert list(answer.images) == ["unused"]
    assert answer.reclaimed == 8
    assert [i.name for i in client.images.List().images] == ["used"]
    with fails("INVALID_ARGUMENT"):
        client.system.Prune()


def test_info(client, store_daemon):
    put(client, b"x")
    client.containers.Create(container={"id": "c", "runtime": {"name": "r"}, "spec": {"type_url": "t"}})
    image(client, "i", put(client, b"y"))
    info = client.system.Info(namespace=client.namespace)
    assert (info.root, info.state) == (str(store_daemon.root), str(store_daemon.directory / "state"))
    assert (info.address, info.ttrpc_address) == (str(store_daemon.directory / "sock"), str(store_daemon.directory / "sock.ttrpc"))
    assert info.pid == store_daemon.server.process.pid
    assert info.version == client.version.Version().version
    assert info.uuid == client.introspection.Server().uuid
    assert abs(info.started_at.seconds - time.time()) < 3600
    assert (info.containers, info.running, info.paused, info.stopped, info.images) == (1, 0, 0, 1, 1)
    assert info.namespaces >= 1
    uname = os.uname()
    assert (info.hostname, info.kernel, info.architecture) == (uname.nodename, uname.release, uname.machine)
    assert info.os in ("linux", platform.freedesktop_os_release()["PRETTY_NAME"])
    assert info.cpus == len(os.sched_getaffinity(0))
    assert info.memory > 1 << 24
    assert info.cgroup_mode in ("v1", "hybrid", "unified")
    assert info.default_snapshotter in [s.name for s in info.snapshotters if not s.problem]
    other = store_daemon.client().system.Info(namespace="none")
    assert (other.containers, other.stopped, other.images) == (0, 0, 0)
    with fails("INVALID_ARGUMENT"):
        client.system.Info(namespace="a/b")


def damage(daemon):
    """The log goes into the database first: a stop does that."""
    daemon.server.stop()
    with open(database(daemon), "r+b") as f:
        f.seek(16)
        f.write(b"\xff" * 4000)
    daemon.server.start()


def test_a_database_that_cannot_be_read_is_replaced_and_kept(client, store_daemon):
    name = put(client, b"hello")
    damage(store_daemon)
    kept = [p for p in database(store_daemon).parent.iterdir() if ".damaged-" in p.name]
    assert kept
    assert file_of(store_daemon, name).read_bytes() == b"hello"
    again = store_daemon.client("default")
    assert again.content.Info(digest=name).info.size == 5
    assert client.system.Check(deep=True) == []


@pytest.mark.parametrize("point", fault_points("salvage."))
def test_killed_while_a_database_is_replaced(client, store_daemon, point):
    """The next start goes on with the old one: nothing that it knew of is taken for garbage."""
    name = put(client, b"hello")
    image(client, "kept", name)
    server = store_daemon.server
    server.stop()
    with open(database(store_daemon).with_name("meta.db.salvage"), "w"):    # as Repair asks for it
        pass
    server.environment["DAVIT_FAULT"] = point
    with pytest.raises(DidNotStart):
        server.start()
    assert server.process.returncode == -9
    del server.environment["DAVIT_FAULT"]
    server.start()
    client = store_daemon.client(client.namespace)
    assert [i.name for i in client.images.List().images] == ["kept"] and client.content.Info(digest=name).info.size == 5
    assert client.system.Check(deep=True) == []
    assert len([p for p in database(store_daemon).parent.glob("meta.db.damaged-*") if not p.name.endswith(("-wal", "-shm"))]) == 1
    server.stop()
    server.start()
    assert [i.name for i in store_daemon.client(client.namespace).images.List().images] == ["kept"]


def a_page_of_rows(path):
    """Where a page among the leaves is, of a table or an index, that has digests on it."""
    data = path.read_bytes()
    found = [at for at in range(4096, len(data), 4096) if data[at] in (0x0a, 0x0d) and b"sha256:" in data[at:at + 4096]]
    return found[len(found) // 2]


def test_repair_asks_for_a_new_database(client, store_daemon):
    """One page is lost: all content is found again, and other rows are as they were."""
    names = {put(client, f"{i}".encode()) for i in range(60)}
    for i in range(20):
        client.leases.Create(id=f"lease-{i}")
    store_daemon.server.stop()
    with open(database(store_daemon), "r+b") as f:
        f.seek(a_page_of_rows(database(store_daemon)))
        f.write(b"\x55" * 4096)
    store_daemon.server.start()
    assert [f for f in client.system.Check() if f.kind == "database"]
    client.system.Repair()
    store_daemon.server.stop()
    store_daemon.server.start()
    client.system.Repair()
    assert client.system.Check(deep=True) == []
    found = {info.digest for namespace in [n.name for n in client.namespaces.List().namespaces]
             for message in store_daemon.client(namespace).content.List() for info in message.info}
    assert names <= found
    assert len(client.leases.List().leases) >= 20


def test_records_of_sandboxes(client):
    sandbox = {"sandbox_id": "s", "sandboxer": "shim", "runtime": {"name": "rt"}, "labels": {"a": "b"}}
    made = client.sandboxes.Create(sandbox=sandbox).sandbox
    assert made.created_at.seconds and made.labels == {"a": "b"}
    with fails("ALREADY_EXISTS"):
        client.sandboxes.Create(sandbox=sandbox)
    changed = client.sandboxes.Update(sandbox={"sandbox_id": "s", "labels": {"c": "d"}}, fields=["labels.c"]).sandbox
    assert changed.labels == {"a": "b", "c": "d"} and changed.runtime.name == "rt"
    with fails("INVALID_ARGUMENT"):
        client.sandboxes.Update(sandbox={"sandbox_id": "s"}, fields=["sandboxer"])
    assert [s.sandbox_id for s in client.sandboxes.List(filters=["labels.a==b"]).list] == ["s"]
    client.sandboxes.Delete(sandbox_id="s")
    with fails("NOT_FOUND"):
        client.sandboxes.Get(sandbox_id="s")
