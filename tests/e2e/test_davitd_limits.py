# SPDX-License-Identifier: Apache-2.0
"""davitd without descriptors or memory: it says so to those who ask for too much, answers the others, and recovers."""

import os
import resource
import subprocess
import time

import pytest

from harness.bystander import KEPT, Bystander, files, is_whole
from harness.chaos import KEEP, digest_of
from harness.daemon import need
from harness.grpc_client import fails, grpc
from harness.wait import eventually

pytestmark = pytest.mark.davit


@pytest.fixture
def stays(store_daemon, rootfs_template, work):
    need("ctr")
    found = Bystander(store_daemon, rootfs_template, work)
    yield found
    found.ctr.clean()


@pytest.fixture
def limited(stays):
    """limited("NOFILE", n): from then on, until limited() or the end of the test. Both of the running davitd."""
    pid, old = stays.daemon.server.process.pid, {}

    def limit(name=None, value=0):
        for what, was in old.items():
            resource.prlimit(pid, what, was)
        if name:
            what = getattr(resource, f"RLIMIT_{name}")
            old[what] = resource.prlimit(pid, what)
            resource.prlimit(pid, what, (value, old[what][1]))

    yield limit
    limit()


def put(client, data):
    stream = client.content.Write()
    stream(action=2, ref=digest_of(data), total=len(data), expected=digest_of(data), data=data, labels=KEEP)
    stream.end()


def read(client):
    return client.content.Read(digest=client.images.List().images[0].target.digest)


def cpu_time(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def test_no_descriptors(stays, limited):
    daemon, client = stays.daemon, stays.daemon.client(stays.ctr.namespace)
    before, pid = files(daemon), daemon.server.process.pid
    client.version.Version()    # it has its connection
    limited("NOFILE", 8)
    for call in (lambda: put(client, b"new"), lambda: client.snapshots.Prepare(snapshotter="overlayfs", key="new", labels=KEEP), lambda: read(client)):
        with fails("RESOURCE_EXHAUSTED") as failure:
            call()
        assert "too many open files" in failure.text
    # What needs none goes on, as do the connections that there are. A new one waits, and davitd does so, too.
    with subprocess.Popen(stays.ctr.command("version"), stdout=subprocess.DEVNULL, env=daemon.server.environment) as waits:
        used = cpu_time(pid)
        time.sleep(0.5)
        assert cpu_time(pid) - used < 0.2
        assert client.tasks.Get(container_id="stays").process.pid == stays.pid
        assert [one.id for one in client.containers.List().containers] == ["stays"]
        assert waits.poll() is None
        limited()
        assert waits.wait(30) == 0
    stays.has_not_noticed()
    is_whole(client)
    eventually(lambda: files(daemon) == before, f"nothing is half there: {files(daemon)}, before {before}")
    put(client, b"new")
    stays.end()


def data_size(pid):
    """What RLIMIT_DATA limits. (Not the address space, of which threads that end give back a lot.)"""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmData")) << 10


def test_no_memory_for_a_big_request(stays, limited):
    daemon, client = stays.daemon, stays.daemon.client(stays.ctr.namespace)
    pid, big = daemon.server.process.pid, os.urandom(12 << 20)
    before = files(daemon)
    client.version.Version()
    limited("DATA", data_size(pid) + (4 << 20))
    for call in (lambda: put(client, big),
                 lambda: client.containers.Create(container={"id": "big", "runtime": {"name": "r"}, "spec": {"type_url": "t", "value": big}})):
        with fails("RESOURCE_EXHAUSTED"):
            call()
        assert client.tasks.Get(container_id="stays").process.pid == stays.pid
        assert [one.id for one in client.containers.List().containers] == ["stays"]
    limited()
    assert daemon.server.process.poll() is None
    stays.has_not_noticed()
    is_whole(client)
    assert files(daemon) == before
    put(client, big)
    stays.end()
