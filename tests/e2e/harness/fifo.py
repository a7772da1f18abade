# SPDX-License-Identifier: Apache-2.0
"""The client's ends of a container's fifos."""

import errno
import hashlib
import os
import select
import threading
import time

from .wait import eventually


class Reader:
    """Reads a fifo in a thread, from now until its writers are gone, or until close(): the client that went away."""

    def __init__(self, path, keep=True, chunk=65536, pause=0.0, enough=None):
        """@keep False: only length and hash stay. @pause: seconds between two reads of a slow reader.
        @enough: after so many bytes it reads no more."""
        self.path, self.keep, self.chunk, self.pause, self.enough = str(path), keep, chunk, pause, enough
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.data, self.length, self.hash, self.is_at_end = bytearray(), 0, hashlib.sha256(), False
        self.stopper = os.pipe()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(self.stopper[0], select.POLLIN)
        while self.enough is None or self.length < self.enough:
            if any(fd == self.stopper[0] for fd, _ in poll.poll()):
                return
            data = os.read(self.fd, self.chunk)
            if not data:
                self.is_at_end = True
                return
            self.length += len(data)
            self.hash.update(data)
            if self.keep:
                self.data += data
            if self.pause:
                time.sleep(self.pause)

    @property
    def text(self):
        return bytes(self.data).decode(errors="replace")

    def wait_text(self, text):
        eventually(lambda: text in self.text or self.is_at_end, f"{text!r} from {self.path}, so far {self.text!r}")
        assert text in self.text, f"no {text!r}: {self.text!r}"
        return self.text

    def wait_end(self, timeout=15):
        eventually(lambda: self.is_at_end, f"end of {self.path} after {self.length} bytes", timeout=timeout)
        return self.text if self.keep else self.length

    def close(self):
        """Returns what came so far; the fifo has no reader of ours from here on."""
        if self.fd >= 0:
            os.write(self.stopper[1], b"x")
            self.thread.join()
            for fd in (self.fd, *self.stopper):
                os.close(fd)
            self.fd = -1
        return bytes(self.data)


class Fifos:
    """Standard streams of one process in a directory: stdin, stdout, stderr, as far as they are named."""

    def __init__(self, directory, names, **reader):
        directory.mkdir()
        self.paths = {name: directory / name for name in names}
        for path in self.paths.values():
            os.mkfifo(path, 0o700)
        self.readers = {name: Reader(path, **reader) for name, path in self.paths.items() if name != "stdin"}
        self.stdin = -1

    @property
    def fields(self):
        """For Create and Exec."""
        return {name: str(path) for name, path in self.paths.items()}

    @property
    def out(self):
        return self.readers["stdout"]

    @property
    def err(self):
        return self.readers["stderr"]

    def open_stdin(self):
        """As soon as somebody is there to read."""
        def opened():
            try:
                return os.open(self.paths["stdin"], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as err:
                assert err.errno == errno.ENXIO
        self.stdin = eventually(opened, "stdin has a reader")
        os.set_blocking(self.stdin, True)

    def write(self, text):
        if self.stdin < 0:
            self.open_stdin()
        data = memoryview(text if isinstance(text, bytes) else text.encode())
        while data:
            data = data[os.write(self.stdin, data):]

    def close_stdin(self):
        if self.stdin >= 0:
            os.close(self.stdin)
        self.stdin = -1

    def close(self):
        self.close_stdin()
        for reader in self.readers.values():
            reader.close()
