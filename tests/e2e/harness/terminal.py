# SPDX-License-Identifier: Apache-2.0
"""The other end of --console-socket and --pidfd-socket, and a terminal to run a command in."""

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import time

from .wait import SLOWNESS


class FdSocket:
    """Listens on a UNIX socket for one message that carries a descriptor."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(30 * SLOWNESS)

    def receive(self):
        """(descriptor, text of the message)"""
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(30 * SLOWNESS)
            data, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        assert len(fds) == 1, f"{len(fds)} descriptors with {data!r}"
        return fds[0], data.decode()

    def close(self):
        self.listener.close()


class Terminal:
    """The master side of a pseudo-terminal."""

    def __init__(self, master):
        self.master, self.text = master, ""

    def read_until(self, text, timeout=20):
        deadline = time.monotonic() + timeout * SLOWNESS
        while text not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} on the terminal, but: {self.text!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:    # EIO: the other side is closed
                    assert text in self.text, f"terminal closed without {text!r}: {self.text!r}"
        return self.text

    def write(self, text):
        os.write(self.master, text.encode())

    def size(self):
        """(rows, columns)"""
        return struct.unpack("HHHH", fcntl.ioctl(self.master, termios.TIOCGWINSZ, b"\0" * 8))[:2]

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self):
        if self.master >= 0:
            os.close(self.master)
        self.master = -1


def in_terminal(command, rows=24, columns=80, **kwargs):
    """Starts @command with a terminal of its own: (process, Terminal)."""
    master, slave = pty.openpty()
    terminal = Terminal(master)
    terminal.resize(rows, columns)

    def take_it():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_it, **kwargs)
    os.close(slave)
    return process, terminal
