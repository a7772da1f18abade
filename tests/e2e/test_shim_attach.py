# SPDX-License-Identifier: Apache-2.0
"""Who is attached to a process gets its output: clients that come, wait, leave, are slow, or are no such clients."""

import hashlib
import json
import os
import socket

import pytest

from harness import attach, leftovers
from harness.attach import HAS_STDIN, HELLO, STDIN, STDIN_END, STDOUT, WAIT, connect, frame, logged, uris
from harness.shim_volume import MIB, REFUSED, expected_hash, finished, random_file, volume
from harness.wait import eventually

pytestmark = pytest.mark.davit_shim


# ---- output ----------------------------------------------------------------------------------------------


def test_nothing_is_missed_from_create_on(shim, clients):
    c = shim(script="echo out; echo err >&2")
    c.create(**uris(c))
    client = clients(c)
    c("Start")
    client.wait_end()
    assert (client.out, client.err, client.has_all) == (b"out\n", b"err\n", True)
    assert finished(c)
    c.delete()
    assert (logged(c), logged(c, "stderr")) == ("out\n", "err\n")
    assert not (c.bundle.path / "attach.sock").exists()


def test_nobody_is_attached(shim):
    c = shim(script="seq 20000")
    c.up(**uris(c))
    assert finished(c)
    c.delete()
    assert logged(c) == "".join(f"{i}\n" for i in range(1, 20001))


def test_several_come_and_go(shim, clients):
    c = shim("sh")
    c.up(**uris(c, "attach:"))
    first, second = clients(c, stdin=True), clients(c, wait=False)
    first.send(b"echo one\n")
    first.wait_out(b"one\n")
    second.wait_out(b"one\n")
    second.close()
    late = clients(c)
    first.send(b"echo two\n")
    late.wait_out(b"two\n")
    first.close()
    assert late.out == b"two\n" and c.status() == "running"
    writer = clients(c, stdin=True)
    writer.send(b"echo three; exit 0\n")
    assert late.wait_end() == b"two\nthree\n" and late.has_all
    assert finished(c)
    c.delete()
    assert logged(c) == "one\ntwo\nthree\n"


def test_attaching_after_the_end(shim, clients):
    c = shim("true")
    c.up(**uris(c))
    assert finished(c)
    client = clients(c)
    assert client.wait_end() == b"" and client.has_all


@volume("mib", 100, 2048)
def test_large_output(shim, clients, mib):
    """Through a client, with a log beside it."""
    c = shim(script=f"i=0; while [ $i -lt {mib // 4} ]; do cat /data; i=$((i+1)); done")
    data = random_file(c, size=4 * MIB)
    c.create(stdout="attach:")
    client, other = clients(c, keep=False), clients(c, keep=False)
    c("Start")
    assert finished(c)
    for one in (client, other):
        one.wait_end(timeout=120)
        assert one.has_all and one.length[STDOUT] == mib * MIB
        assert one.hash.hexdigest() == expected_hash(data, mib // 4)


def test_both_streams_and_the_log(shim, clients):
    c = shim(script="(seq 30000 >&2)& seq 30000; wait")
    c.create(**uris(c))
    client = clients(c)
    c("Start")
    client.wait_end()
    expected = "".join(f"{i}\n" for i in range(1, 30001))
    assert client.out.decode() == client.err.decode() == expected and client.has_all
    assert finished(c)
    c.delete()
    assert logged(c) == logged(c, "stderr") == expected


def test_the_process_waits_for_who_says_so(shim, clients):
    c = shim(script="cat /data; touch /done")
    data = random_file(c, size=8 * MIB)
    c.create(**uris(c))
    client, other = clients(c, reads=False, keep=False), clients(c, keep=False)
    c("Start")
    done = c.bundle.rootfs / "done"
    before = 0
    while before == 0 or other.length[STDOUT] != before:    # as far as it goes
        before = other.length[STDOUT]
        eventually(lambda: other.length[STDOUT] > before or before, "some of it has come")
        c("Connect")
    assert before < len(data) and not done.exists() and c.status() == "running"
    client.go_on()
    assert finished(c) and done.exists()
    for one in (client, other):
        one.wait_end()
        assert one.has_all and one.hash.hexdigest() == hashlib.sha256(data).hexdigest()


def test_who_is_too_slow_is_cut_off(shim, clients):
    """The process does not wait for it, nor does who reads."""
    c = shim("cat", "/data")
    data = random_file(c, size=8 * MIB)
    c.create(stdout="attach:")
    slow, other = clients(c, wait=False, reads=False), clients(c)
    c("Start")
    assert finished(c)
    assert other.wait_end() == data
    slow.go_on()
    slow.wait_end()
    assert not slow.has_all and 0 < len(slow.out) < len(data) and data.startswith(slow.out)


def test_who_is_a_little_slow_gets_everything(shim, clients):
    c = shim(script="head -c 500000 /data")
    data = random_file(c, size=MIB)
    c.create(**uris(c))
    slow = clients(c, wait=False, reads=False)
    c("Start")
    assert finished(c)
    c.delete()
    slow.go_on()
    assert slow.wait_end() == data[:500000] and slow.has_all


def test_killed_client_holds_nothing_up(shim, clients):
    c = shim("cat", "/data")
    random_file(c)
    c.create(stdout="attach:")
    client = clients(c, reads=False)
    other = clients(c, keep=False)
    c("Start")
    eventually(lambda: other.length[STDOUT], "some of it has come")
    client.close()
    assert finished(c)


def test_delete_gives_everything_to_who_waits(shim, clients):
    """It is not gone with the shim, however slowly the client reads."""
    c = shim("cat", "/data")
    data = random_file(c, size=900_000)    # so that the process ends before anybody reads
    c.create(**uris(c))
    client = clients(c, reads=False)
    c("Start")
    assert finished(c)
    c.wait_event("exit")
    c.delete()
    c.shutdown()
    eventually(lambda: not leftovers.is_alive(c.shim_pid), "the shim is gone")
    client.go_on()
    assert client.wait_end() == data and client.has_all


def test_streams_end_while_the_process_runs(shim, clients):
    c = shim(script="echo last; exec >/dev/null 2>&1; sleep 1000")
    c.create(**uris(c))
    client = clients(c)
    c("Start")
    assert client.wait_end() == b"last\n" and client.has_all
    assert c.status() == "running"


def test_output_of_a_killed_container(shim, clients):
    c = shim(script="echo up; sleep 1000")
    c.create(**uris(c))
    client = clients(c)
    c("Start")
    client.wait_out(b"up\n")
    c.end()
    assert client.wait_end() == b"up\n" and client.has_all


# ---- who may, and what they may say ----------------------------------------------------------------------


@pytest.mark.parametrize("said", [
    b"GET / HTTP/1.1\r\n\r\n",
    frame(STDIN, b"x"),
    frame(HELLO),
    frame(HELLO, b"\x04"),
    frame(HELLO, b"\x01\x01"),
    frame(HELLO, bytes([WAIT])) + frame(STDIN, b"unannounced"),
    frame(HELLO, bytes([HAS_STDIN])) + frame(HELLO, bytes([HAS_STDIN])),
    frame(HELLO, bytes([HAS_STDIN])) + frame(STDIN_END) + frame(STDIN, b"after the end"),
    frame(HELLO, bytes([HAS_STDIN])) + frame(STDIN_END, b"x"),
    frame(HELLO, bytes([HAS_STDIN])) + b"\x01\x00\x01\x00\x01",
    frame(9, b"x"),
], ids=["http", "no hello", "empty hello", "flag", "long hello", "unannounced", "two hellos", "after the end",
        "end with bytes", "too long", "unknown"])
def test_nonsense_is_cut_off(shim, clients, said):
    c = shim("cat")
    c.up(**uris(c, "attach:"))
    good = clients(c, stdin=True)
    with connect(c.bundle.path) as bad:
        bad.sendall(said)
        heard = b""
        try:
            while data := bad.recv(4096):
                heard += data
        except ConnectionResetError:
            pass
        assert heard in (b"", frame(attach.READY))
    good.send(b"unharmed")
    good.wait_out(b"unharmed")


def test_at_most_64(shim, clients):
    c = shim("cat")
    c.up(**uris(c, "attach:"))
    many = [clients(c, stdin=i == 0, reads=i == 0) for i in range(64)]
    with connect(c.bundle.path) as one_more:
        try:
            one_more.sendall(frame(HELLO, b"\x01"))
            assert one_more.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    many[5].close()
    replacement = eventually(lambda: try_client(clients, c), "there is room again")
    many[0].send(b"x")
    replacement.wait_out(b"x")


def try_client(clients, c):
    try:
        return clients(c)
    except (OSError, AssertionError):
        return None


def test_socket_is_for_root_alone(shim):
    c = shim("cat")
    c.up(**uris(c))
    assert (c.bundle.path / "attach.sock").stat().st_mode & 0o777 == 0o600
    c.bundle.path.joinpath("attach.sock").chmod(0o666)    # and it is checked all the same
    pid = os.fork()
    if pid == 0:
        sock = connect(c.bundle.path)
        sock.close()
        directory = os.open(c.bundle.path, os.O_PATH)
        os.setresuid(65534, 65534, 65534)
        other = socket.socket(socket.AF_UNIX)
        try:
            other.connect(f"/proc/self/fd/{directory}/attach.sock")
            other.sendall(frame(HELLO, b"\x00"))
            os._exit(1 if other.recv(1) else 0)
        except (BrokenPipeError, ConnectionResetError, PermissionError):
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("streams", [
    {"stdin": "attach:?twice=1"}, {"stdin": "attach:?once=maybe"}, {"stdin": "attach:x"}, {"stdout": "attach:?once=1"},
    {"stdout": "json:///tmp/x?attach=maybe"}, {"stdout": "file:///tmp/x?attach=1"}])
def test_options_that_cannot_be(shim, streams):
    c = shim("true")
    c.launch()
    c.fails(("INVALID_ARGUMENT",), "Create", **c.create_fields(**streams))
    assert not (c.bundle.path / "attach.sock").exists()


def test_no_attaching_to_an_exec(shim):
    c = shim.sleeper()
    c.up()
    c("Exec", exec_id="e", stdout="attach:", spec=shim.api.json(json.dumps(c.bundle.process)))
    c.fails(REFUSED, "Start", exec_id="e")
    assert not (c.bundle.path / "attach.sock").exists()


def test_descriptors_are_closed(shim, clients):
    c, other = shim.sleeper(group="pod").up(), shim.sleeper(group="pod").launch()
    before = c.descriptors()
    other.create(**uris(other, "attach:"))
    many = [clients(other, stdin=True) for _ in range(8)]
    other("Start")
    assert len(c.descriptors()) > len(before)
    other.end()
    for client in many:
        client.wait_end()
    eventually(lambda: len(c.descriptors()) <= len(before), f"as many descriptors as before: {c.descriptors()}")
