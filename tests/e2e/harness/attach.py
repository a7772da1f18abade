# SPDX-License-Identifier: Apache-2.0
"""A client of a shim's attach.sock, by hand: frames of a byte of type, four of length, and bytes."""

import hashlib
import json
import os
import socket
import struct
import threading

from .wait import SLOWNESS, eventually

HELLO, STDIN, STDIN_END = 0, 1, 2          # to the shim
READY, STDOUT, STDERR, END = 0, 1, 2, 3    # from it
WAIT, HAS_STDIN = 1, 2


def frame(kind, data=b""):
    return struct.pack(">BI", kind, len(data)) + data


def connect(bundle):
    """Through a descriptor of the bundle: its path may be longer than a socket's."""
    directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY)
    try:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"/proc/self/fd/{directory}/attach.sock")
        sock.settimeout(20 * SLOWNESS)
        return sock
    finally:
        os.close(directory)


class Client:
    """Attached, when it is made; reads in a thread, unless it is not to (then call go_on())."""

    def __init__(self, bundle, wait=True, stdin=False, reads=True, keep=True):
        self.sock, self.keep = connect(bundle), keep
        self.data, self.length, self.kinds = {STDOUT: bytearray(), STDERR: bytearray()}, {STDOUT: 0, STDERR: 0}, set()
        self.hash, self.is_closed, self.problem, self.rest = hashlib.sha256(), False, None, b""
        self.sock.sendall(frame(HELLO, bytes([WAIT * wait + HAS_STDIN * stdin])))
        assert self.exactly(5) == frame(READY)
        self.sock.settimeout(None)
        self.thread = threading.Thread(target=self._run, daemon=True)
        if reads:
            self.go_on()

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            assert more, f"closed after {data!r}"
            data += more
        return data

    def go_on(self):
        self.thread.start()

    def _run(self):
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except OSError as err:
                self.problem = err
                break
            if not data:
                break
            self._take(self.rest + data)
        self.is_closed = True

    def _take(self, data):
        at = 0
        while len(data) - at >= 5:
            kind, n = struct.unpack_from(">BI", data, at)
            assert n <= 65536 and END not in self.kinds
            if len(data) - at - 5 < n:
                break
            payload = data[at + 5:at + 5 + n]
            at += 5 + n
            self.kinds.add(kind)
            if kind in self.data:
                self.length[kind] += n
                self.hash.update(payload)
                if self.keep:
                    self.data[kind] += payload
        self.rest = data[at:]

    @property
    def out(self):
        return bytes(self.data[STDOUT])

    @property
    def err(self):
        return bytes(self.data[STDERR])

    @property
    def has_all(self):
        """It has heard of the end."""
        return END in self.kinds

    def wait_out(self, data):
        eventually(lambda: data in self.out or self.is_closed, f"{data!r}, so far {self.out!r}")
        assert data in self.out, self.out
        return self.out

    def wait_end(self, timeout=15):
        eventually(lambda: self.is_closed, f"the connection is closed after {self.length} bytes", timeout=timeout)
        return self.out

    def send(self, data):
        data = memoryview(data)
        for at in range(0, len(data), 65536):
            self.sock.sendall(frame(STDIN, data[at:at + 65536].tobytes()))

    def end_input(self):
        self.sock.sendall(frame(STDIN_END))

    def close(self):
        """As if it was killed."""
        if self.thread.is_alive():
            self.sock.shutdown(socket.SHUT_RDWR)
            self.thread.join()
        self.sock.close()


def uris(c, stdin=None, terminal=False):
    """For Create: both streams into one log, and who is attached."""
    log = f"json://{c.bundle.path}/log.txt?attach=1"
    return {"stdout": log, **({} if terminal else {"stderr": log}), **({"stdin": stdin} if stdin else {})}


def logged(c, stream="stdout"):
    """The text of the log."""
    records = [json.loads(line) for line in (c.bundle.path / "log.txt").read_bytes().splitlines()]
    return "".join(record["log"] for record in records if record["stream"] == stream)
