# SPDX-License-Identifier: Apache-2.0
"""What the Content and Snapshots services publish."""

import hashlib
import queue
import threading

import pytest

from harness.grpc_client import fails, grpc
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


def told(client, listener, n):
    """The next events: (topic, what else is worth knowing of them)."""
    found = []
    while len(found) < n:
        envelope = listener.next()
        if envelope.topic != "/test/hello":
            topic, _, fields = described(client, envelope)
            found.append((topic, fields.get("id") or fields.get("name"), dict(fields.get("labels", {}))))
    return found


def test_containers(client, listener):
    def make(id, **more):
        return client.containers.Create(container={"id": id, "image": f"image-{id}", "runtime": {"name": "rt"}, "spec": {"type_url": "t", "value": b"1"}, **more})

    def ids(*filters):
        return [one.id for one in client.containers.List(filters=filters).containers]

    make("a", labels={"colour": "red", "a.b/c": "x"})
    made = make("b", labels={"colour": "blue"}).container
    assert made.created_at == made.updated_at and made.created_at.seconds
    assert ids() == ["a", "b"]
    assert ids("labels.colour==red") == ids('labels."a.b/c"==x') == ids("id==a") == ids("image~=image-a$") == ["a"]
    assert ids("labels.colour") == ids("id==a", "id==b") == ids("runtime.name==rt") == ["a", "b"]
    assert ids("labels.colour==red,id==b") == []
    for bad in ("id==", "===", "id==a,"):
        with fails("INVALID_ARGUMENT"):
            ids(bad)
    # A mask changes what it names; a label that it names and that is not given goes.
    new = {"id": "a", "labels": {"size": "10"}, "image": "other", "spec": {"type_url": "t", "value": b"2"}}
    changed = client.containers.Update(container=new, update_mask={"paths": ["labels.size"]}).container
    assert dict(changed.labels) == {"colour": "red", "a.b/c": "x", "size": "10"}
    assert (changed.image, changed.spec.value) == ("image-a", b"1") and changed.created_at != changed.updated_at
    changed = client.containers.Update(container=new, update_mask={"paths": ["labels", "image", "spec"]}).container
    assert (dict(changed.labels), changed.image, changed.spec.value) == ({"size": "10"}, "other", b"2")
    for path in ("id", "runtime", "nothing"):
        with fails("INVALID_ARGUMENT"):
            client.containers.Update(container=new, update_mask={"paths": [path]})
    with fails("NOT_FOUND"):
        client.containers.Update(container={**new, "id": "none"}, update_mask={"paths": ["labels"]})
    with fails("ALREADY_EXISTS"):
        make("a")
    client.containers.Delete(id="b")
    with fails("NOT_FOUND"):
        client.containers.Delete(id="b")
    assert [event[:2] for event in told(client, listener, 5)] == [
        ("/containers/create", "a"), ("/containers/create", "b"), ("/containers/update", "a"), ("/containers/update", "a"), ("/containers/delete", "b")]


def test_images(client, listener):
    target = {"media_type": "t", "digest": "sha256:" + "a" * 64, "size": 1}

    def names(*filters):
        return [one.name for one in client.images.List(filters=filters).images]

    client.images.Create(image={"name": "a", "target": target, "labels": {"colour": "red"}})
    client.images.Create(image={"name": "b", "target": {**target, "media_type": "u"}})
    assert names() == ["a", "b"] and names("name==a") == names("labels.colour==red") == names("target.mediatype==t") == ["a"]
    assert names("name~=^[ab]$") == names("name==a", "name==b") == names(f"target.digest=={target['digest']}") == ["a", "b"]
    with fails("INVALID_ARGUMENT"):
        names("name==")
    new = {"name": "a", "labels": {"size": "10"}, "target": {**target, "size": 2}}
    changed = client.images.Update(image=new, update_mask={"paths": ["labels.size"]}).image
    assert (dict(changed.labels), changed.target.size) == ({"colour": "red", "size": "10"}, 1)
    changed = client.images.Update(image=new).image
    assert (dict(changed.labels), changed.target.size) == ({"size": "10"}, 2)
    with fails("INVALID_ARGUMENT"):
        client.images.Update(image=new, update_mask={"paths": ["nothing"]})
    with fails("NOT_FOUND"):
        client.images.Update(image={**new, "name": "none"}, update_mask={"paths": ["labels"]})
    with fails("ALREADY_EXISTS"):
        client.images.Create(image={"name": "b", "target": target})
    client.images.Delete(name="b")
    assert told(client, listener, 5) == [("/images/create", "a", {"colour": "red"}), ("/images/create", "b", {}), ("/images/update", "a", {"colour": "red", "size": "10"}),
                                         ("/images/update", "a", {"size": "10"}), ("/images/delete", "b", {})]
