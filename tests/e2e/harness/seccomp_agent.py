# SPDX-License-Identifier: Apache-2.0
"""A seccomp agent: takes the notify descriptor from the runtime and answers the system calls."""

import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading

# struct seccomp_notif: id, pid, flags, then seccomp_data: nr, arch, ip, args[6]
NOTIF = struct.Struct("=QIIiIQ6Q")
RESP = struct.Struct("=QqiI")
CONTINUE = 1


def _iowr(number, size):
    return 3 << 30 | size << 16 | ord("!") << 8 | number


RECV, SEND = _iowr(0, NOTIF.size), _iowr(1, RESP.size)


class Agent:
    """Listens at @path. answer(nr, args) returns an errno (0: succeed without the call) or CONTINUE_CALL."""

    CONTINUE_CALL = object()

    def __init__(self, path, answer):
        self.path, self.answer = str(path), answer
        self.states, self.calls, self.errors = [], [], []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.stop_read, self.stop_write = os.pipe()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        notify_fds = []
        while True:
            ready, _, _ = select.select([self.listener, self.stop_read, *notify_fds], [], [])
            if self.stop_read in ready:
                for fd in notify_fds:
                    os.close(fd)
                return
            if self.listener in ready:
                notify_fds += self._accept()
            for fd in [f for f in notify_fds if f in ready]:
                if not self._handle(fd):
                    os.close(fd)
                    notify_fds.remove(fd)

    def _accept(self):
        connection, _ = self.listener.accept()
        with connection:
            data, fds, _, _ = socket.recv_fds(connection, 65536, 8)
        state = json.loads(data)
        self.states.append(state)
        wanted = state["fds"].index("seccompFd")
        for number, fd in enumerate(fds):
            if number != wanted:
                os.close(fd)
        return [fds[wanted]]

    def _handle(self, fd):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if poll.poll(0)[0][1] & select.POLLIN == 0:
            return False    # hang-up: the last process with this filter is gone
        buffer = bytearray(NOTIF.size)
        try:
            fcntl.ioctl(fd, RECV, buffer)
            id, pid, _, nr, _, _, *args = NOTIF.unpack(buffer)
            self.calls.append((nr, pid, args))
            result = self.answer(nr, args)
            if result is self.CONTINUE_CALL:
                reply = RESP.pack(id, 0, 0, CONTINUE)
            else:
                reply = RESP.pack(id, 0, -result, 0)
            fcntl.ioctl(fd, SEND, bytearray(reply))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):    # the caller died meanwhile
                self.errors.append(error)
        return True

    def close(self):
        os.write(self.stop_write, b"x")
        self.thread.join(10)
        self.listener.close()
        os.close(self.stop_read)
        os.close(self.stop_write)


def supported():
    """The kernel knows SECCOMP_RET_USER_NOTIF."""
    action = ctypes.c_uint32(0x7fc00000)
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(317, 2, 0, ctypes.byref(action)) == 0
