# SPDX-License-Identifier: Apache-2.0
"""The load under which davitd is killed: everything that it does durably, over and over, by several clients."""

import hashlib
import os
import signal
import threading
import time
import uuid

from . import image
from .bystander import spec
from .grpc_client import grpc
from .store_fixtures import davitd_path
from .wait import SLOWNESS, eventually

KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}
LAYER = "application/vnd.oci.image.layer.v1.tar"
GONE = ("UNAVAILABLE", "CANCELLED", "UNKNOWN")


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Promises:
    """What the daemon has said is there, and what it has said is gone. In between it may be either."""

    def __init__(self):
        self.there, self.gone = set(), set()

    def making(self, *what):
        self.gone.discard(what)

    def made(self, *what):
        self.making(*what)
        self.there.add(what)

    def removing(self, *what):
        self.there.discard(what)

    def removed(self, *what):
        self.gone.add(what)


class Worker(threading.Thread):
    """A client that goes on until the daemon is gone, or it is told to stop. What else goes wrong is its failure."""

    def __init__(self, chaos, number):
        super().__init__(daemon=True)
        self.chaos, self.name, self.id = chaos, f"worker {number}", f"box-{number}"
        self.api = chaos.daemon.client(chaos.namespace)
        self.promises, self.failure, self.rounds = Promises(), None, 0
        chaos.daemon.watch(chaos.namespace, self.id)
        chaos.daemon.watch(chaos.namespace, f"{self.id}-managed")

    def run(self):
        try:
            while not self.chaos.is_over.is_set():
                self.once()
                self.rounds += 1
        except grpc.RpcError as e:
            if e.code().name not in GONE or not self.is_daemon_gone():
                self.failure = e
        except StopIteration:    # a stream that ended early
            pass
        except Exception as e:    # noqa: BLE001: of a thread; the test raises it
            self.failure = e

    def is_daemon_gone(self):
        """The socket is closed a little before the process has ended."""
        try:
            return eventually(lambda: self.chaos.daemon.server.process.poll() is not None, "it has ended", timeout=3)
        except AssertionError:
            return False

    def make(self, kind, key, call):
        self.promises.making(kind, key)
        call()
        self.promises.made(kind, key)

    def remove(self, kind, key, call):
        self.promises.removing(kind, key)
        call()
        self.promises.removed(kind, key)

    def put(self, data, labels):
        stream = self.api.content.Write()
        stream(action=2, ref=f"{self.id} {digest_of(data)}", total=len(data), expected=digest_of(data), data=data, labels=labels)
        stream.end()

    def once(self):
        """A layer, an image, a container, its end twice: as it should be, and with its shim killed."""
        api, at, id = self.api, {"snapshotter": "overlayfs"}, self.id
        data = self.chaos.layer + id.encode()    # behind the archive's end: a blob of one's own
        blob, layer, making, name = digest_of(data), f"layer {id}", f"making {id}", f"davit.test/{id}:1"
        self.make("blob", blob, lambda: self.put(data, KEEP))
        self.make("image", name, lambda: api.images.Create(image={"name": name, "target": {"media_type": LAYER, "digest": blob, "size": len(data)}}))
        mounts = api.snapshots.Prepare(key=making, labels=KEEP, **at).mounts
        api.diff.Apply(diff={"media_type": LAYER, "digest": blob, "size": len(data)}, mounts=mounts)
        self.make("snapshot", layer, lambda: api.snapshots.Commit(key=making, name=layer, labels=KEEP, **at))
        self.promises.making("snapshot", id)
        mounts = api.snapshots.Prepare(key=id, parent=layer, labels=KEEP, **at).mounts
        self.promises.made("snapshot", id)
        self.make("container", id, lambda: api.containers.Create(container={
            "id": id, "image": name, "runtime": {"name": "io.containerd.davit.v2"}, "spec": self.chaos.spec(id), "snapshot_key": id, **at}))
        for loses_shim in (False, True):
            api.tasks.Create(container_id=id, rootfs=mounts)
            api.tasks.Start(container_id=id)
            if loses_shim:
                os.kill(self.chaos.shim(id), signal.SIGKILL)
                eventually(lambda: id not in [task.id for task in api.tasks.List().tasks], "the daemon has seen that the shim is gone")
            else:
                assert api.tasks.Wait(container_id=id).exit_status == 0
                api.tasks.Delete(container_id=id)
        self.sandbox(f"pod-{id}")
        if self.chaos.has_managed:
            self.run_managed(f"{id}-managed", layer)
        self.remove("container", id, lambda: api.containers.Delete(id=id))
        self.remove("snapshot", id, lambda: api.snapshots.Remove(key=id, **at))
        self.remove("image", name, lambda: api.images.Delete(name=name))
        self.put(f"nobody refers to what {id} writes: {uuid.uuid4()}".encode(), {})
        self.promises.removing("blob", blob)
        api.content.Delete(digest=blob)
        self.promises.removed("blob", blob)
        self.remove("snapshot", layer, lambda: api.snapshots.Remove(key=layer, **at))


    def sandbox(self, pod):
        api = self.api.sandbox
        api.Create(sandbox_id=pod, sandbox={"runtime": {"name": "io.containerd.davit.v2"}})
        api.Start(sandbox_id=pod)
        api.Stop(sandbox_id=pod, timeout_secs=30)
        assert api.Wait(sandbox_id=pod).exit_status == 0
        api.Shutdown(sandbox_id=pod)

    def run_managed(self, id, layer):
        """A container that the daemon ends, and then removes."""
        api, at = self.api, {"snapshotter": "overlayfs"}
        self.promises.making("snapshot", id)
        mounts = api.snapshots.Prepare(key=id, parent=layer, labels=KEEP, **at).mounts
        self.promises.made("snapshot", id)
        self.make("container", id, lambda: api.containers.Create(container={
            "id": id, "runtime": {"name": "io.containerd.davit.v2"}, "spec": self.chaos.spec(id), "snapshot_key": id, **at,
            "labels": {"io.davit.managed": "1", "io.davit.rm": "1"}}))
        api.tasks.Create(container_id=id, rootfs=mounts)
        for kind in ("container", "snapshot"):
            self.promises.removing(kind, id)
        api.tasks.Start(container_id=id)
        eventually(lambda: id not in [one.id for one in api.containers.List().containers], "the daemon has removed it")
        for kind in ("container", "snapshot"):
            self.promises.removed(kind, id)


class Reader(Worker):
    """Asks what there is. It must be answered for as long as there is a daemon."""

    def once(self):
        for kind in listed(self.api):
            assert kind
        self.api.tasks.List()


def listed(client):
    """(kind, name) of everything that Promises are about."""
    found = {("blob", info.digest) for message in client.content.List() for info in message.info}
    found |= {("snapshot", info.name) for message in client.snapshots.List(snapshotter="overlayfs") for info in message.info}
    found |= {("container", one.id) for one in client.containers.List().containers}
    return found | {("image", one.name) for one in client.images.List().images}


class Chaos:
    def __init__(self, bystander, rootfs, work, n_workers=2):
        self.daemon, self.ctr, self.work, self.n_workers = bystander.daemon, bystander.ctr, work, n_workers
        self.namespace, self.layer = self.ctr.namespace, image.layer(rootfs)
        self.oci = davitd_path().parents[1] / "davit-oci/davit-oci"
        self.is_over, self.workers, self.specs = threading.Event(), [], {}
        self.has_managed = False    # the load has containers that the daemon ends

    def spec(self, id):
        if id not in self.specs:
            self.specs[id] = spec(self.daemon.api, self.oci, self.work / id, ["/bin/true"], f"/{self.namespace}/{id}")
        return self.specs[id]

    def shim(self, id):
        return self.ctr.shim(id)

    def run(self, until, limit=30):
        """Load, until that is true. False: it did not come to be in that time, or no worker could go on."""
        self.is_over.clear()
        self.workers = [*(Worker(self, n) for n in range(self.n_workers)), Reader(self, self.n_workers)]
        for worker in self.workers:
            worker.start()
        deadline = time.monotonic() + limit * SLOWNESS
        while not until(self) and any(worker.is_alive() for worker in self.workers) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.is_over.set()
        for worker in self.workers:
            worker.join()
        return bool(until(self))

    def check(self, client):
        """Each promise is kept. Those of Create and Prepare of the last call may hold or not."""
        found = listed(client)
        for worker in self.workers:
            if worker.failure:
                raise AssertionError(f"{worker.name}: {worker.failure!r}") from worker.failure
            assert worker.promises.there <= found, worker.promises.there - found
            assert not worker.promises.gone & found, worker.promises.gone & found
        running = {task.id for task in client.tasks.List().tasks}
        eventually(lambda: {path.name for path in (self.daemon.bundles / self.namespace).glob("*")} ==
                   {task.id for task in client.tasks.List().tasks}, f"each bundle is a task's: {running}")

    def undo(self, client):
        """What the clients were about is removed, as another client would do that finds it."""
        for status in client.content.ListStatuses().statuses:    # an ingest may be continued
            client.content.Abort(ref=status.ref)
        for id in [f"{worker.id}{what}" for worker in self.workers for what in ("-managed", "")]:
            at = {"snapshotter": "overlayfs"}
            for call, fields in [(client.tasks.Kill, {"container_id": id, "signal": 9, "all": True}), (client.tasks.Wait, {"container_id": id}),
                                 (client.tasks.Delete, {"container_id": id}), (client.sandbox.Stop, {"sandbox_id": f"pod-{id}"}),
                                 (client.sandbox.Shutdown, {"sandbox_id": f"pod-{id}"}), (client.containers.Delete, {"id": id}),
                                 *((client.snapshots.Remove, {"key": key, **at}) for key in (id, f"making {id}", f"layer {id}")),
                                 (client.images.Delete, {"name": f"davit.test/{id}:1"}),
                                 (client.content.Delete, {"digest": digest_of(self.layer + id.encode())})]:
                try:
                    call(**fields, timeout=30)
                except grpc.RpcError as e:
                    assert e.code().name in ("NOT_FOUND", "FAILED_PRECONDITION"), e
