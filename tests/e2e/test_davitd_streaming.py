# SPDX-License-Identifier: Apache-2.0
"""The Streaming service as Go's clients use it: a stream gets a name, an empty answer, and is there until it ends."""

import pytest

from harness import grpc_client
from harness.grpc_client import fails
from harness.transfer import Stream
from harness.wait import eventually

pytestmark = pytest.mark.davit    # Debian's containerd has no such service


@pytest.fixture
def streams(client):
    opened = []

    def open_one(name, who=client):
        opened.append(Stream(who))
        return opened[-1].open(name)
    yield open_one
    for stream in opened:
        stream.cancel()


def test_named_and_answered(streams):
    answer = streams("one")
    assert (answer.type_url, answer.value) == ("google.protobuf.Empty", b"")


def test_names_are_of_a_namespace(streams, client, store_daemon):
    streams("same")
    with fails("ALREADY_EXISTS"):
        streams("same")
    assert streams("same", store_daemon.client()).type_url == "google.protobuf.Empty"


def test_without_a_namespace(streams, client):
    assert streams("free", client.using(namespace=None)).type_url == "google.protobuf.Empty"


def test_name_is_free_after_the_end(client):
    first = Stream(client)
    first.open("again")
    first.cancel()

    def reopened():
        try:
            found = Stream(client)
            found.open("again")
            found.cancel()
            return True
        except grpc_client.grpc.RpcError:
            return False
    eventually(reopened, "the name is free")


def test_what_is_no_name(client):
    for kind, fields in (("containerd.types.transfer.Data", {"data": b"x"}), ("containerd.services.streaming.v1.StreamInit", {})):
        stream = Stream(client)
        stream.send(kind, **fields)
        with fails("INVALID_ARGUMENT"):
            next(stream.answers)


def test_many(streams):
    for i in range(200):
        streams(f"stream-{i}")
