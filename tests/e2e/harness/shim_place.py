# SPDX-License-Identifier: Apache-2.0
"""A davitd with shims that do what a test wants (fake_shim.py), for all tests of a module."""

import json
import threading

import pytest

from .fake_shim import RUNTIME, FakeShims
from .grpc_client import grpc
from .wait import eventually

CONFIG = """
[shim]
create_timeout = "{create}"
load_timeout = "300ms"
shutdown_timeout = "300ms"
cleanup_timeout = "{cleanup}"
"""


class Later(threading.Thread):
    """A call whose answer, or error, is asked for later."""

    def __init__(self, call, **fields):
        super().__init__(daemon=True)
        self.call, self.fields, self.answer, self.error = call, fields, None, None
        self.start()

    def run(self):
        try:
            self.answer = self.call(**self.fields)
        except grpc.RpcError as e:
            self.error = e

    def result(self):
        self.join(30)
        assert not self.is_alive(), "the call does not end"
        if self.error:
            raise self.error
        return self.answer


class Place:
    def __init__(self, api, daemon):
        self.daemon, self.server = daemon, daemon.server
        self.shims = FakeShims(api, daemon.directory, daemon.server)
        self.configure()

    def configure(self, create="30s", cleanup="2s"):
        (self.daemon.directory / "config.toml").write_text(CONFIG.format(create=create, cleanup=cleanup))
        if "--config" not in self.server.command:
            self.server.command += ["--config", str(self.daemon.directory / "config.toml")]
        self.restart()

    def restart(self):
        self.server.kill()
        self.server.start()

    def container(self, id, labels=None, runtime=RUNTIME):
        self.client.containers.Create(container={"id": id, "runtime": {"name": runtime}, "labels": labels or {},
                                                 "spec": {"type_url": "t", "value": b"{}"}})

    def run(self, id, **more):
        self.container(id, **more)
        pid = self.client.tasks.Create(container_id=id).pid
        self.client.tasks.Start(container_id=id)
        return pid

    def labels(self, id):
        return dict(self.client.containers.Get(id=id).container.labels)

    def exit_of(self, id):
        """What is on record."""
        return json.loads(self.labels(id).get("io.davit.exit", "null"))

    def data(self, id):
        return self.daemon.root / "io.davit.containers" / self.client.namespace / id

    def tasks(self):
        return {task.id: task.status for task in self.client.tasks.List().tasks}

    def bundle(self, id):
        return self.daemon.directory / "state/io.containerd.runtime.v2.task" / self.client.namespace / id

    def called(self, id, method):
        return eventually(lambda: (id, method) in self.shims.calls, f"{method} of {id}: {self.shims.calls}")


@pytest.fixture(scope="module")
def one_place(api, one_store_daemon):
    found = Place(api, one_store_daemon)
    yield found
    found.shims.close()


@pytest.fixture
def place(one_place):
    """Each test has a namespace of its own, and leaves nothing running."""
    one_place.client = one_place.daemon.client()
    yield one_place
    one_place.shims.close()
    bundles = one_place.bundle("x").parent
    eventually(lambda: not any(bundles.glob("*")), "the tasks are gone with their shims")
    one_place.shims.forget()
