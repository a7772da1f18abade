# SPDX-License-Identifier: Apache-2.0
"""What the Content and Snapshots services publish."""

import hashlib
import queue
import threading

import pytest

from harness.grpc_client import grpc
from harness.wait import SLOWNESS, eventually

pytestmark = pytest.mark.davit
KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}


class Listener:
    def __init__(self, client, filters):
        request, response = client.api.method("containerd.services.events.v1.Events", "Subscribe")
        call = client.channel.unary_stream("/containerd.services.events.v1.Events/Subscribe",
                                           request_serializer=request.SerializeToString, response_deserializer=response.FromString)
        self.stream, self.found = call(request(filters=filters)), queue.SimpleQueue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            for envelope in self.stream:
                self.found.put(envelope)
        except grpc.RpcError:
            pass

    def next(self):
        return self.found.get(timeout=10 * SLOWNESS)


@pytest.fixture
def listener(client):
    found = Listener(client, [f"namespace=={client.namespace}"])

    def hears():    # a subscription takes its time
        client.events.Publish(topic="/test/hello", event={"type_url": "x", "value": b""})
        return not found.found.empty()

    eventually(hears, "the subscription is there")
    yield found
    found.stream.cancel()


def described(client, envelope):
    event = client.api.unpack(envelope.event)
    return envelope.topic, envelope.namespace, {field.name: value for field, value in event.ListFields()}


def test_each_change_is_told_once_and_in_order(client, listener, store_daemon):
    data = b"some content"
    name, at = f"sha256:{hashlib.sha256(data).hexdigest()}", {"snapshotter": "overlayfs"}
    w = client.content.Write()
    w(action=0, ref="r")
    w(action=2, data=data, labels=KEEP)
    w.end()
    client.content.Delete(digest=name)
    client.snapshots.Prepare(key="k", labels=KEEP, **at)
    client.snapshots.Commit(key="k", name="A", labels=KEEP, **at)
    client.snapshots.View(key="v", parent="A", labels=KEEP, **at)
    client.snapshots.Prepare(key="k2", parent="A", labels=KEEP, **at)
    client.snapshots.Remove(key="k2", **at)
    expected = [("/content/create", {"digest": name, "size": len(data)}), ("/content/delete", {"digest": name}),
                ("/snapshot/prepare", {"key": "k", **at}), ("/snapshot/commit", {"key": "k", "name": "A", **at}),
                ("/snapshot/prepare", {"key": "k2", "parent": "A", **at}), ("/snapshot/remove", {"key": "k2", **at})]
    for topic, fields in expected[not store_daemon.is_davit:]:    # 1.6 does not tell the first one
        envelope = listener.next()
        while envelope.topic == "/test/hello":
            envelope = listener.next()
        got = described(client, envelope)
        assert got[:2] == (topic, client.namespace)
        if not store_daemon.is_davit:    # nor the name of the snapshotter
            fields.pop("snapshotter", None)
        assert got[2] == fields
