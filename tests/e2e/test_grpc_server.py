# SPDX-License-Identifier: Apache-2.0
"""Our gRPC server and Python's client."""

import os
import signal
import threading

import pytest

grpc = pytest.importorskip("grpc")

from harness.grpc_peer import Peer
from harness.wait import eventually

MIB = 1 << 20


@pytest.fixture
def peer(binary, work):
    program = binary.parents[2] / "rpc/grpc-peer"
    if not os.access(program, os.X_OK):
        pytest.skip("needs grpc-peer (make)")
    server = Peer(program, work)
    yield server
    server.close()


def fails(code, call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **kwargs)
    assert caught.value.code() is code
    return caught.value.details()


def test_unary(peer):
    assert peer.unary("Echo")((7, "grüße")) == (7, "grüße")
    assert peer.unary("Echo")(()) == (0, "")


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK])
def test_all_codes(peer, code):
    assert fails(code, peer.unary("Fail"), (code.value[0], "why")) == "why"


def test_messages_of_errors(peer):
    text = "container »ä«: 100% weg\n\tzweite Zeile, 漢字"
    assert fails(grpc.StatusCode.NOT_FOUND, peer.unary("Fail"), (5, text)) == text
    long = fails(grpc.StatusCode.NOT_FOUND, peer.unary("Fail"), (5, "ä" * 100000))
    assert long.startswith("äää") and long.endswith("ä...")


def test_unknown(peer):
    assert "Nope" in fails(grpc.StatusCode.UNIMPLEMENTED, peer.unary("Nope"), ())
    other = peer.channel.unary_unary("/some.Other/Method")
    assert "some.Other" in fails(grpc.StatusCode.UNIMPLEMENTED, other, b"")


def test_metadata(peer):
    metadata = [("containerd-namespace", "k8s.io"), ("x", "1"), ("x", "2"), ("y-bin", b"\0\1")]
    get = peer.unary("Meta")
    assert get((0, "containerd-namespace"), metadata=metadata) == (os.getpid(), "k8s.io")
    assert get((0, "x"), metadata=metadata)[1] == "1"
    assert get((0, "y-bin"), metadata=metadata)[1] == "0001"
    for n in range(5):
        assert get((0, "y-bin"), metadata=[("y-bin", bytes(range(250, 250 + n)))])[1] == bytes(range(250, 250 + n)).hex()
    assert get((0, "user-agent"))[1].startswith("grpc-python")


def test_deadline(peer):
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, peer.unary("Hold"), (), timeout=0.1)
    eventually(lambda: peer.stats()[1] == 1, "the handler has ended")
    assert peer.unary("Echo")((1, ""), timeout=100) == (1, "")


def test_cancel(peer):
    call = peer.unary("Hold").future(())
    eventually(lambda: peer.stats()[1] == 2, "it runs")
    call.cancel()
    eventually(lambda: peer.stats()[3] == 1, "the handler was told")


def test_a_client_that_dies(peer):
    channel = peer.connect()
    calls = [peer.unary("Hold", channel).future(()) for _ in range(10)]
    eventually(lambda: peer.stats()[1] == 11, "they run")
    channel.close()
    eventually(lambda: peer.stats()[1] == 1 and peer.stats()[0] == 1, "all are cancelled")
    assert all(call.done() for call in calls)


@pytest.mark.parametrize("size", [MIB, 8 * MIB, 16 * MIB - 100])
def test_big_messages(peer, size):
    assert len(peer.unary("Make")((size, ""))[1]) == size
    assert peer.unary("Echo")((1, "y" * size)) == (1, "y" * size)


def test_too_big(peer):
    fails(grpc.StatusCode.RESOURCE_EXHAUSTED, peer.unary("Make"), (16 * MIB, ""))
    details = fails(grpc.StatusCode.RESOURCE_EXHAUSTED, peer.unary("Echo"), (0, "y" * (16 * MIB)))
    assert "larger than max" in details
    assert peer.unary("Echo")((1, "")) == (1, "")


def test_memory_comes_back(peer):
    for _ in range(10):
        peer.unary("Echo")((0, "y" * (15 * MIB)))
    assert peer.stats()[2] < 64 << 10
    assert peer.rss() < 24 * MIB


def test_compressed(peer):
    for size in (0, 1, 10000, 8 * MIB):
        assert peer.unary("Echo")((3, "z" * size), compression=grpc.Compression.Gzip) == (3, "z" * size)
    texts = ["a" * 5000, "b", "c" * 70000] * 20
    assert peer.into("Collect")(((1, text) for text in texts), compression=grpc.Compression.Gzip)[0] == len(texts)
    details = fails(grpc.StatusCode.UNIMPLEMENTED, peer.unary("Echo"), (0, "z" * 10000), compression=grpc.Compression.Deflate)
    assert "gzip" in details


def test_bombs(peer):
    """A few KiB that would become more than a message may be, many at a time; the memory is not there afterwards."""
    calls = [peer.unary("Echo").future((0, "z" * (17 * MIB)), compression=grpc.Compression.Gzip) for _ in range(8)]
    for call in calls:
        assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "after decompression larger than max" in call.details()
    assert peer.unary("Echo")((1, "")) == (1, "") and peer.stats()[2] < 64 << 10 and peer.rss() < 48 * MIB


def test_details_of_errors(peer):
    detail = b"\x0a\x03x.Y\x12\x03abc"
    call = peer.channel.unary_unary("/davit.test.Peer/Fail")
    for n in (1, 3):
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\x08\x05\x12\x03why" + n * (b"\x1a" + bytes([len(detail)]) + detail))
        found = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
        assert found == b"\x08\x05\x12\x03why" + n * (b"\x1a" + bytes([len(detail)]) + detail)
        assert caught.value.details() == "why"
    with pytest.raises(grpc.RpcError) as caught:    # what is too long for a header
        call(b"\x08\x05\x12\x03why" + 300 * (b"\x1a" + bytes([len(detail)]) + detail))
    assert "grpc-status-details-bin" not in dict(caught.value.trailing_metadata())


def test_server_stream(peer):
    messages = list(peer.out("Count")((20000, "text")))
    assert messages == [(i + 1, "text") for i in range(20000)]
    assert list(peer.out("Count")((0, ""))) == []


def test_server_stream_that_nobody_reads(peer):
    stream = peer.out("Count")((1 << 30, "z" * 1000))
    assert next(stream) == (1, "z" * 1000)
    before = peer.stats()
    assert before[2] < 2 * MIB
    assert [code for code, _ in (next(stream) for _ in range(5000))] == list(range(2, 5002))
    stream.cancel()
    eventually(lambda: peer.stats()[1] == 1, "it has ended")


def test_client_stream(peer):
    assert peer.into("Collect")((1, "abc") for _ in range(5000)) == (5000, "15000")
    assert peer.into("Collect")(iter(())) == (0, "0")
    assert peer.into("Collect")((1, "y" * MIB) for _ in range(50)) == (50, str(50 * MIB))


def test_client_stream_is_held_back(peer):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 400:
            sent += 1
            yield (1, "y" * MIB)

    call = peer.into("Slow").future(endless())
    eventually(lambda: peer.stats()[1] == 2, "it runs")
    assert peer.stats()[2] < 8 * MIB
    assert sent < 100
    call.cancel()


def test_both(peer):
    messages = [(i, "x" * (i % 100)) for i in range(5000)]
    assert list(peer.both("Chat")(iter(messages))) == messages


def test_chat_in_turns(peer):
    ready, numbers = threading.Semaphore(1), iter(range(1, 101))

    def ask():
        for i in numbers:
            ready.acquire()
            yield (i, "")

    got = []
    for code, _ in peer.both("Chat")(ask()):
        got.append(code)
        ready.release()
    assert got == list(range(1, 101))


def test_three_thousand_at_once(peer):
    calls = [peer.unary("Hold").future(()) for _ in range(3000)]
    eventually(lambda: peer.stats()[1] == 3001, "all run on one connection", timeout=30)
    assert peer.stats()[0] == 1
    assert peer.unary("Echo")((1, "")) == (1, "")
    for call in calls:
        call.cancel()
    eventually(lambda: peer.stats()[1] == 1, "all are cancelled", timeout=30)
    assert peer.unary("Echo")((2, "")) == (2, "")    # the connection survives it


def test_many_connections(peer):
    channels = [peer.connect() for _ in range(100)]
    calls = [peer.unary("Echo", channel).future((i, "")) for i, channel in enumerate(channels)]
    assert [call.result()[0] for call in calls] == list(range(100))
    assert peer.stats()[0] == 101


def test_read_only_socket(peer):
    reader = peer.connect(peer.read_only_path)
    assert peer.unary("Meta", reader)((0, "x"))[1] == "(none)"
    fails(grpc.StatusCode.PERMISSION_DENIED, peer.unary("Echo", reader), ())


def test_health(peer):
    check = peer.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"
    fails(grpc.StatusCode.NOT_FOUND, check, b"\x0a\x01x")
    watch = peer.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
    assert next(watch) == b"\x08\x01"
    peer.signal(signal.SIGUSR1)
    assert next(watch) == b"\x08\x02"
    assert check(b"") == b"\x08\x02"
    watch.cancel()


def test_closes_gracefully(peer):
    call = peer.unary("Hold").future(())
    eventually(lambda: peer.stats()[1] == 2, "it runs")
    peer.signal(signal.SIGTERM)
    assert call.exception().code() is grpc.StatusCode.UNAVAILABLE
    assert "shutting down" in call.exception().details()
    assert peer.process.wait(10) == 0
