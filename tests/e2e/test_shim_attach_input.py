# SPDX-License-Identifier: Apache-2.0
"""Attached clients that write to the process, or to its terminal."""

import hashlib
import os
import socket

import pytest

from harness.attach import logged, uris
from harness.shim_volume import MIB, expected_hash, finished, random_file, volume

pytestmark = pytest.mark.davit_shim


@volume("mib", 8, 512)
def test_input_of_any_length(shim, clients, mib):
    """More than the pipe holds: the client waits."""
    c = shim("sha256sum")
    c.up(**uris(c, "attach:?once=1"))
    data = os.urandom(MIB)
    client = clients(c, stdin=True)
    for _ in range(mib):
        client.send(data)
    client.end_input()
    assert client.wait_end().split()[0].decode() == expected_hash(data, mib)
    assert finished(c)


@pytest.mark.parametrize("how", ["end", "half-close", "close"])
def test_once_ends_with_its_client(shim, clients, how):
    c = shim("cat")
    c.up(**uris(c, "attach:?once=1"))
    watcher, client = clients(c), clients(c, stdin=True)
    client.send(b"text")
    {"end": client.end_input, "close": client.close,
     "half-close": lambda: client.sock.shutdown(socket.SHUT_WR)}[how]()
    assert watcher.wait_end() == b"text"
    assert how == "close" or client.wait_end() == b"text"
    assert finished(c)


def test_who_only_watches_ends_nothing(shim, clients):
    c = shim("cat")
    c.up(**uris(c, "attach:?once=1"))
    watcher = clients(c)
    watcher.close()
    client = clients(c, stdin=True)
    client.send(b"still here\n")
    client.wait_out(b"still here\n")
    assert c.status() == "running"


def test_without_once_input_stays_open(shim, clients):
    c = shim("cat")
    c.up(**uris(c, "attach:"))
    first = clients(c, stdin=True)
    first.send(b"one ")
    first.end_input()
    first.wait_out(b"one ")
    first.close()
    second = clients(c, stdin=True)
    second.send(b"two")
    second.wait_out(b"two")
    assert c.status() == "running"
    c("CloseIO", stdin=True)
    assert second.wait_end() == b"two" and finished(c)


def test_killed_client_has_sent_what_it_has_sent(shim, clients):
    """More than the pipe holds, to a process that does not read yet."""
    c = shim(script="while [ ! -e /go ]; do sleep 0.01; done; sha256sum")
    c.up(**uris(c, "attach:?once=1"))
    watcher, client, data = clients(c), clients(c, stdin=True), os.urandom(150_000)
    client.send(data)
    client.close()
    (c.bundle.rootfs / "go").touch()
    assert watcher.wait_end().split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert finished(c)


def test_input_that_nobody_reads(shim, clients):
    """The process has closed it: what comes is dropped, and the client is not held up."""
    c = shim(script="exec <&-; while [ ! -e /go ]; do sleep 0.01; done; echo end")
    c.up(**uris(c, "attach:"))
    client = clients(c, stdin=True)
    for _ in range(4):
        client.send(bytes(MIB))
    (c.bundle.rootfs / "go").touch()
    assert client.wait_end() == b"end\n" and finished(c)


def test_no_input(shim, clients):
    """Without attach: there is none, and what comes is dropped."""
    c = shim(script="cat; echo end")
    c.create(**uris(c))
    client = clients(c, stdin=True)
    client.send(b"unheard")
    c("Start")
    assert client.wait_end() == b"end\n" and finished(c)


# ---- terminals -------------------------------------------------------------------------------------------


def test_terminal(shim, clients):
    c = shim(script="stty -echo; stty size; read line; echo got $line; stty size")
    c.create(terminal=True, **uris(c, "attach:?once=1", terminal=True))
    c("ResizePty", width=91, height=17)
    client = clients(c, stdin=True)
    c("Start")
    client.wait_out(b"17 91\r\n")
    c("ResizePty", width=80, height=25)
    client.send(b"it\n")
    assert client.wait_end() == b"17 91\r\ngot it\r\n25 80\r\n" and client.has_all and not client.err
    assert finished(c)
    c.delete()
    assert logged(c) == "17 91\r\ngot it\r\n25 80\r\n"


def test_large_output_of_a_terminal(shim, clients):
    c = shim(script="stty raw; cat /data")
    data = random_file(c, size=2 * MIB)
    c.create(terminal=True, stdout="attach:")
    client = clients(c)
    c("Start")
    assert finished(c)
    c.delete()
    assert client.wait_end() == data and client.has_all


def test_terminal_stays_when_its_client_goes(shim, clients):
    c = shim("sh")
    c.up(terminal=True, **uris(c, "attach:?once=1", terminal=True))
    first = clients(c, stdin=True)
    first.send(b"echo $((40+2))\n")
    first.wait_out(b"42\r\n")
    first.close()
    second = clients(c, stdin=True)
    second.send(b"echo $((50+5)); exit\n")
    second.wait_out(b"55\r\n")
    second.wait_end()
    assert finished(c)
