# SPDX-License-Identifier: Apache-2.0
"""Our gRPC client and Python's server."""

import os

import pytest

grpc = pytest.importorskip("grpc")

from harness.grpc_peer import Caller, PythonServer
from harness.wait import eventually

MIB = 1 << 20


@pytest.fixture
def server(work):
    s = PythonServer(work)
    yield s
    s.close()


@pytest.fixture
def call(binary, server):
    program = binary.parents[2] / "rpc/grpc-caller"
    if not os.access(program, os.X_OK):
        pytest.skip("needs grpc-caller (make)")
    return Caller(program, server.path)


def test_unary(call):
    assert call("Echo", code=7, text="grüße") == [(0, 1, 7, "grüße")]
    assert call("Echo") == [(0, 1, 0, "")]


def test_errors(call):
    for code in range(1, 17):
        assert call("Fail", code=code, text="warum: »ä« 100%") == [(code, 0, 0, "warum: »ä« 100%")]
    assert call("Nope")[0][0] == grpc.StatusCode.UNIMPLEMENTED.value[0]


def test_metadata(call):
    assert call("Meta", text="x-test") == [(0, 1, 0, "value")]
    assert call("Meta", text="x-test-bin") == [(0, 1, 0, "0001ff")]
    assert call("Meta", text="user-agent")[0][3].startswith("grpc-c-davit")


def test_details_of_errors(call):
    assert call("Fail", code=5, text="with details") == [(5, 0, 0, "with details (2 details)")]


def test_compressed(work, call):
    server = PythonServer(work, "zip.sock", compression=grpc.Compression.Gzip)
    zipped = Caller(call.program, server.path)
    assert zipped("Make", code=8 * MIB) == [(0, 1, 0, str(8 * MIB))]
    assert zipped("Echo", code=7, text="grüße") == [(0, 1, 7, "grüße")]
    assert zipped("Count", "out", code=3000, text="t" * 100) == [(0, 3000, 3000, "t" * 100)]
    code, _, _, text = zipped("Make", code=17 * MIB)[0]
    assert code == 8 and "after decompression" in text
    server.close()


def test_deadline(call, server):
    assert call("Hold", timeout_ms=100)[0][:2] == (4, 0)    # by our clock or by the server's
    eventually(lambda: server.handler.cancelled == 1, "the server was told")


def test_cancel(call, server):
    assert call("Hold", cancel_ms=200)[0][0] == 1
    eventually(lambda: server.handler.cancelled == 1, "the server was told")


@pytest.mark.parametrize("size", [MIB, 8 * MIB, 16 * MIB - 100])
def test_big_messages(call, size):
    assert call("Make", code=size) == [(0, 1, 0, str(size))]
    assert call("Echo", text=f"@{size}") == [(0, 1, 0, str(size))]


def test_too_big(call):
    code, _, _, text = call("Make", code=17 * MIB)[0]
    assert code == 8 and "larger than max" in text
    assert call("Echo", text=f"@{17 * MIB}")[0][0] == 8


def test_server_stream(call):
    assert call("Count", "out", code=5000, text="text") == [(0, 5000, 5000, "text")]
    assert call("Count", "out") == [(0, 0, 0, "")]


def test_client_stream(call):
    assert call("Collect", "in", text="abc", times=5000) == [(0, 1, 5000, "15000")]
    assert call("Collect", "in", text=f"@{MIB}", times=30) == [(0, 1, 30, str(30 * MIB))]


def test_answer_before_the_end(call):
    assert call("Early", "in", text=f"@{MIB}", times=1000) == [(9, 0, 0, "enough")]


def test_both(call):
    assert call("Chat", "both", text="abc", times=3000) == [(0, 3000, 0, "abc")]


def test_three_thousand_at_once(call):
    assert call("Echo", code=1, text="x", times=3000) == [(0, 1, 1, "x")] * 3000


def test_nobody_there(call, server):
    server.close()
    code, _, _, text = call("Echo")[0]
    assert code == 14 and "connect to" in text
