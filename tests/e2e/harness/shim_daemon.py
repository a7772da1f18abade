# SPDX-License-Identifier: Apache-2.0
"""A daemon for shims without containerd: takes events over ttrpc and reads the shims' logs. It can go away and return."""

import os
import pathlib
import selectors
import socket
import threading

from .ttrpc import HEADER, REQUEST, RESPONSE
from .wait import eventually


class Event:
    def __init__(self, envelope, api):
        self.topic, self.namespace, self.url = envelope.topic, envelope.namespace, envelope.event.type_url
        self.time = envelope.timestamp.seconds + envelope.timestamp.nanos / 1e9
        self.body = api.unpack(envelope.event)

    @property
    def container(self):
        return self.body.container_id

    @property
    def process(self):
        """The exec id; the container's own for its first process."""
        return getattr(self.body, "exec_id", "") or getattr(self.body, "id", "") or self.container

    @property
    def name(self):
        return self.topic.rpartition("/")[2]

    def __repr__(self):
        return f"{self.name}({str(self.body).strip()})".replace("\n", " ")


class FakeDaemon:
    def __init__(self, api, directory):
        self.api, self.directory = api, pathlib.Path(directory)
        self.address, self.ttrpc_address = self.directory / "c.sock", self.directory / "c.sock.ttrpc"
        self.events, self.logs, self.requests = [], {}, []
        self.answer = None    # function(envelope) -> gRPC code, or None to stay silent
        self.selector, self.thread, self.wake = selectors.DefaultSelector(), None, os.pipe()
        self.selector.register(self.wake[0], selectors.EVENT_READ, None)
        self.listener, self.connections = None, {}
        self.start()

    def start(self):
        """Begins to listen, under the same address as before."""
        self.ttrpc_address.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.ttrpc_address))
        self.listener.listen(16)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self):
        """As if killed: the socket's file stays, connections are cut, nobody reads the logs."""
        os.write(self.wake[1], b"x")
        self.thread.join()
        os.read(self.wake[0], 1)
        for end in [self.listener, *self.connections]:
            self.selector.unregister(end)
            end.close()
        self.connections.clear()

    def close(self):
        self.stop()
        for fd in self.logs:
            os.close(fd)
        self.selector.close()
        for fd in self.wake:
            os.close(fd)

    def read_log(self, path):
        """Makes the fifo `log` of a bundle and reads it, as a daemon does."""
        os.mkfifo(path, 0o700)
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.logs[fd] = b""
        self.selector.register(fd, selectors.EVENT_READ, self._log)

    @property
    def log(self):
        return b"".join(self.logs.values()).decode(errors="replace")

    def _serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                key.data(key.fileobj)

    def _log(self, fd):
        self.logs[fd] += os.read(fd, 65536)

    def _accept(self, listener):
        connection, _ = listener.accept()
        self.connections[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection):
        try:
            data = connection.recv(65536)
            inbox = self._take(connection, self.connections[connection] + data)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            del self.connections[connection]
            self.selector.unregister(connection)
            connection.close()
            return
        self.connections[connection] = inbox

    def _take(self, connection, inbox):
        """Answers the whole frames and returns the rest."""
        while len(inbox) >= HEADER.size and len(inbox) >= HEADER.size + HEADER.unpack_from(inbox)[0]:
            length, stream, kind, _ = HEADER.unpack_from(inbox)
            payload, inbox = inbox[HEADER.size:HEADER.size + length], inbox[HEADER.size + length:]
            if kind == REQUEST:
                self._request(connection, stream, payload)
        return inbox

    def _request(self, connection, stream, payload):
        request = self.api.type("ttrpc.Request").FromString(payload)
        self.requests.append(request)
        envelope = self.api.type("containerd.services.events.ttrpc.v1.ForwardRequest").FromString(request.payload).envelope
        code = self.answer(envelope) if self.answer else 0
        if code is None:
            return
        if not code:
            self.events.append(Event(envelope, self.api))
        response = self.api("ttrpc.Response", status={"code": code, "message": "said the test"} if code else None)
        data = response.SerializeToString()
        connection.sendall(HEADER.pack(len(data), stream, RESPONSE, 0) + data)

    def of(self, id):
        """The events of one container so far."""
        return [event for event in list(self.events) if event.container == id]

    def names(self, id):
        return [event.name for event in self.of(id)]

    def wait(self, id, name, process=None):
        """The first event of that name, of that process if one is named."""
        def found():
            return next((e for e in self.of(id) if e.name == name and process in (None, e.process)), None)
        try:
            return eventually(found, "")
        except AssertionError:
            raise AssertionError(f"no event {name} of {process or id}, but {self.of(id)}\nlog: {self.log}") from None
