# SPDX-License-Identifier: Apache-2.0
"""ttrpc as a hostile or clumsy client speaks it: frames, limits, names, deadlines, metadata."""

import json
import os
import socket
import time

import pytest

from harness.shim_fixtures import is_davits
from harness.ttrpc import DATA, HEADER, LIMIT, REQUEST, Client, Closed
from harness.wait import eventually


@pytest.fixture
def c(shim):
    """A container; afterwards its shim must be as well as before."""
    made = shim.sleeper().create()
    made.wait_event("create")    # the connection for events is there
    before = len(made.descriptors())
    yield made
    for client in shim.clients:
        client.close()
    made.rpc = made.connect()
    assert made.status() == "created"
    if is_davits():    # containerd's keeps some connections for ever
        eventually(lambda: len(made.descriptors()) <= before, f"the shim has closed what it opened: {made.descriptors()}")


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Clean", "Private_Dirty")))


@pytest.mark.parametrize("service", ["containerd.task.v2.Task", pytest.param("containerd.task.v3.Task", marks=pytest.mark.davit_shim)])
def test_both_names_of_the_service(c, service):
    assert c.connect(service).State(id=c.id).pid == c.pid


@pytest.mark.parametrize("service, method", [
    ("containerd.task.v2.Task", "NoSuchMethod"), ("no.such.Service", "State"), ("", ""), ("containerd.task.v2.Task", ""),
    ("containerd.task.v2.Task/State", "State"), ("containerd.task.v2.Tas", "State")])
def test_unknown_names(c, service, method):
    stream = c.rpc.frame(c.rpc.request(method, b"", service).SerializeToString())
    code, message = c.rpc.outcome(stream)
    assert code == "UNIMPLEMENTED" and message
    assert c.status() == "created"


def test_payload_that_is_no_message(c):
    """The frame is good, the request in it is good, its payload is not."""
    for payload in (b"\xff", b"\x0a\xff", os.urandom(100), b"\x0a\x05ab"):
        stream = c.rpc.frame(c.rpc.request("Start", payload).SerializeToString())
        assert c.rpc.outcome(stream)[0] in ("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "NOT_FOUND")
    assert c.status() == "created"


def test_frame_that_is_no_request(c):
    """An answer or the end of the connection, but nothing else."""
    for payload in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", os.urandom(64)):
        client = c.connect()
        stream = client.frame(payload)
        try:
            assert client.outcome(stream)[0] in ("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "UNIMPLEMENTED")
        except Closed:
            pass
    assert c.status() == "created"


def test_largest_request(c):
    """Exactly 4 MiB is allowed: a process with spaces in its JSON."""
    def data(spaces):
        process = json.dumps({**c.bundle.process, "args": ["true"]}) + " " * spaces
        message = c.shims.api("containerd.task.v2.ExecProcessRequest", id=c.id, exec_id="e", spec=c.shims.api.json(process))
        return c.rpc.request("Exec", message.SerializeToString()).SerializeToString()
    largest = data(LIMIT - len(data(1 << 21)) + (1 << 21))
    assert len(largest) == LIMIT
    assert c.rpc.outcome(c.rpc.frame(largest)) == ("OK", "")
    assert c.status("e") == "created"


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * 4, 200 << 20])
def test_oversized_request(c, size):
    """The payload is discarded, the answer says so, and the connection goes on."""
    stream = next(c.rpc.streams)
    c.rpc.raw(HEADER.pack(size, stream, REQUEST, 0))
    piece, left = bytes(1 << 20), size
    while left:
        c.rpc.raw(piece[:left])
        left -= min(left, len(piece))
    code, message = c.rpc.outcome(stream)
    assert code == "RESOURCE_EXHAUSTED" and message
    assert c.status() == "created"


@pytest.mark.davit_shim
def test_oversized_request_costs_no_memory(c):
    before = private_kib(c.shim_pid)
    c.rpc.raw(HEADER.pack(0xffffffff, next(c.rpc.streams), REQUEST, 0) + bytes(8 << 20))
    other = c.connect()
    assert other.State(id=c.id).pid == c.pid
    assert private_kib(c.shim_pid) < before + 1024


@pytest.mark.davit_shim
def test_many_half_frames_cost_bounded_memory(c):
    """Each of 100 connections promises 4 MiB, sends half of that, and waits."""
    before = private_kib(c.shim_pid)
    ends = []
    for _ in range(100):
        end = socket.socket(socket.AF_UNIX)
        end.connect(str(c.address))
        end.settimeout(0.2)
        try:
            end.sendall(HEADER.pack(LIMIT, 1, REQUEST, 0) + bytes(LIMIT // 2))
        except OSError:    # refused, or nobody reads it: both are bounded
            pass
        ends.append(end)
    assert private_kib(c.shim_pid) < before + (64 << 10)
    for end in ends:
        end.close()
    eventually(lambda: private_kib(c.shim_pid) < before + 512, "the memory is returned")


HALVES = {"one byte": b"\0", "most of a header": HEADER.pack(100, 1, REQUEST, 0)[:9], "a header": HEADER.pack(100, 1, REQUEST, 0),
          "most of a frame": HEADER.pack(100, 1, REQUEST, 0) + bytes(99)}


@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES)
def test_truncated_frame(c, data):
    end = socket.socket(socket.AF_UNIX)
    end.connect(str(c.address))
    end.sendall(data)
    end.close()
    assert c.status() == "created"


@pytest.mark.davit_shim
@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES)
def test_truncated_frame_of_a_client_that_listens(c, data):
    end = socket.socket(socket.AF_UNIX)
    end.connect(str(c.address))
    end.sendall(data)
    end.shutdown(socket.SHUT_WR)
    end.settimeout(10)
    assert end.recv(100) == b""
    end.close()


def test_garbage(c):
    for n in range(30):
        end = socket.socket(socket.AF_UNIX)
        end.connect(str(c.address))
        try:
            end.sendall(os.urandom(1 + n * 100))
        except OSError:
            pass
        end.close()
    assert c.status() == "created"


@pytest.mark.parametrize("type", [0, 2, DATA, 4, 255])
def test_frames_that_a_client_does_not_send(c, type):
    client = c.connect()
    client.frame(b"x", type=type)
    try:
        assert client.State(id=c.id).pid == c.pid
    except Closed:
        pass
    except AssertionError as err:    # the answer to the bad frame itself, or none at all
        assert "frame" in str(err) or "no answer" in str(err)


@pytest.mark.davit_shim
@pytest.mark.parametrize("streams", [(2,), (0,), (5, 3), (3, 3)])
def test_bad_stream_numbers(c, streams):
    """Clients' streams are odd and rise. The call fails or the connection ends."""
    client = c.connect()
    request = client.request("State", c.shims.api("containerd.task.v2.StateRequest", id=c.id).SerializeToString())
    try:
        outcomes = [client.outcome(client.frame(request.SerializeToString(), stream=stream))[0] for stream in streams]
        assert outcomes[-1] != "OK"
    except (Closed, BrokenPipeError):
        pass


def test_byte_by_byte(c):
    request = c.rpc.request("State", c.shims.api("containerd.task.v2.StateRequest", id=c.id).SerializeToString())
    data = request.SerializeToString()
    stream = next(c.rpc.streams)
    for byte in HEADER.pack(len(data), stream, REQUEST, 0) + data:
        c.rpc.raw(bytes([byte]))
    assert c.rpc.outcome(stream) == ("OK", "")


def test_many_requests_in_one_write(c):
    request = c.rpc.request("State", c.shims.api("containerd.task.v2.StateRequest", id=c.id).SerializeToString())
    data = request.SerializeToString()
    streams = [next(c.rpc.streams) for _ in range(300)]
    c.rpc.raw(b"".join(HEADER.pack(len(data), stream, REQUEST, 0) + data for stream in streams))
    assert {c.rpc.outcome(stream) for stream in streams} == {("OK", "")}


@pytest.mark.davit_shim
def test_deadline(c):
    """The server is told how long the client waits, and answers by then."""
    start = time.monotonic()
    wait = c.send("Wait", deadline=0.3)
    assert c.rpc.outcome(wait)[0] == "DEADLINE_EXCEEDED"
    assert 0.25 < time.monotonic() - start < 10
    assert c.status() == "created"


def test_metadata(c):
    stream = c.send("State", metadata=[("containerd-namespace-ttrpc", "ns"), ("a", "1"), ("a", "2"), ("", "")])
    assert c.rpc.result(stream).pid == c.pid


def test_connection_closed_in_the_middle_of_a_call(c):
    """What was asked for still happens."""
    client = c.connect()
    client.send("Exec", id=c.id, exec_id="e", spec=c.shims.api.json('{"args": ["true"], "cwd": "/"}'))
    client.close()
    eventually(lambda: c.rpc.outcome(c.send("State", exec_id="e"))[0] == "OK", "the exec was added")


@pytest.mark.davit_shim
def test_another_user_is_refused(c):
    """Even one who gets as far as the socket."""
    modes = {path: path.stat().st_mode & 0o777 for path in (c.address, c.address.parent)}
    os.chmod(c.address, 0o666)
    os.chmod(c.address.parent, 0o711)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(1000)
            os.setuid(1000)
            client = Client(c.shims.api, c.address)
            client.State(id=c.id)
        except (Closed, PermissionError, BrokenPipeError, ConnectionResetError):
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for path, mode in modes.items():
        os.chmod(path, mode)
    assert status == 0


def test_socket_is_private(c):
    assert c.address.stat().st_mode & 0o777 == 0o600
    assert c.address.parent.stat().st_mode & 0o077 & ~0o011 == 0
