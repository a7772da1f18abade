# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed while clients write; afterwards all that it said is true, and nothing else is there."""

import hashlib
import os
import random
import threading
import time

import pytest

from harness.grpc_client import grpc
from harness.wait import eventually

pytestmark = pytest.mark.davit
KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}
ROUNDS, WRITERS = 6, 4


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Worker(threading.Thread):
    """Writes blobs and layers until the daemon is gone; remembers what was promised."""

    def __init__(self, client, name):
        super().__init__()
        self.client, self.name = client, name
        self.blobs, self.layers, self.removed = {}, set(), set()
        self.start()

    def blob(self, number):
        data = os.urandom(random.randrange(200_000))
        stream = self.client.content.Write()
        stream(action=0, ref=f"{self.name}-{number}", total=len(data))
        half = len(data) // 2
        stream(action=1, data=data[:half])
        stream(action=2, offset=half, data=data[half:], total=len(data), expected=digest(data), labels=KEEP)
        self.blobs[digest(data)] = len(data)

    def layer(self, number):
        key, name = f"key {self.name} {number}", f"{self.name} {number}"
        at = {"snapshotter": "overlayfs"}
        self.client.snapshots.Prepare(key=key, labels=KEEP, **at)
        self.client.snapshots.Commit(key=key, name=name, labels=KEEP, **at)
        self.layers.add(name)
        if number % 3 == 0:
            self.layers.remove(name)    # from now on it may be there or not
            self.client.snapshots.Remove(key=name, **at)
            self.removed.add(name)

    def run(self):
        try:
            for number in range(100000):
                self.blob(number)
                self.layer(number)
        except (grpc.RpcError, StopIteration):
            pass


def check(client, daemon, workers):
    found = {i.digest: i.size for m in client.content.List() for i in m.info}
    names = {i.name for m in client.snapshots.List(snapshotter="overlayfs") for i in m.info}
    for w in workers:
        assert w.blobs.items() <= found.items()
        assert w.layers <= names and not w.removed & names
    for name in found:
        assert digest(b"".join(m.data for m in client.content.Read(digest=name))) == name
    content = daemon.root / "io.containerd.content.v1.content"
    assert {f"sha256:{p.name}" for p in (content / "blobs/sha256").iterdir()} == set(found)
    layers = daemon.root / "io.containerd.snapshotter.v1.overlayfs/snapshots"
    eventually(lambda: len(list(layers.iterdir())) == len(names), "each directory belongs to a snapshot")


def test_what_was_promised_survives_being_killed(store_daemon):
    if not store_daemon.is_davit:
        pytest.skip("containerd leaves its files to the collector")
    namespace = store_daemon.client().namespace
    workers = []
    for round in range(ROUNDS):
        alive = [Worker(store_daemon.client(namespace), f"w{round}{n}") for n in range(WRITERS)]
        eventually(lambda: all(len(w.blobs) > 3 for w in alive), "they write")
        time.sleep(random.random() / 5)
        store_daemon.server.kill()
        for w in alive:
            w.join()
        workers += alive
        store_daemon.server.start()
        check(store_daemon.client(namespace), store_daemon, workers)
