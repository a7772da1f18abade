# SPDX-License-Identifier: Apache-2.0
"""ttrpc: the schemas below api/ as Python classes, and a client that sends what it is told, good or bad."""

import itertools
import pathlib
import select
import socket
import struct
import subprocess
import time

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:    # the fixture says so, where it matters
    descriptor_pb2 = None

from .wait import SLOWNESS

HEADER = struct.Struct(">IIBB")    # length, stream, type, flags
REQUEST, RESPONSE, DATA = 1, 2, 3
LIMIT = 4 << 20
CODES = ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
         "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
         "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED")


class Api:
    """The messages of compiled .proto files, by their full names: api("ttrpc.Request", service=…)."""

    @staticmethod
    def compile(directory, scratch):
        files = sorted(str(p.relative_to(directory)) for p in pathlib.Path(directory).rglob("*.proto"))
        out = pathlib.Path(scratch) / "api.pb"
        subprocess.run(["protoc", f"-I{directory}", "--include_imports", f"--descriptor_set_out={out}", *files], check=True)
        return Api(out)

    def __init__(self, compiled):
        self.compiled, self.pool = pathlib.Path(compiled), descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(self.compiled.read_bytes()).file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def type(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def __call__(self, name, **fields):
        return self.type(name)(**fields)

    def any(self, name, **fields):
        """As containerd writes it: the type URL is the bare name."""
        return self.type("google.protobuf.Any")(type_url=name, value=self(name, **fields).SerializeToString())

    def json(self, text, name="types.containerd.io/opencontainers/runtime-spec/1/Process"):
        """A JSON document in an Any, as containerd sends specifications."""
        return self.type("google.protobuf.Any")(type_url=name, value=text.encode())

    def unpack(self, any_):
        return self.type(any_.type_url.rpartition("/")[2]).FromString(any_.value)

    def method(self, service, name):
        """(request class, response class); version 3 of the task service has the messages of version 2."""
        found = self.pool.FindServiceByName(service.replace(".v3.", ".v2.")).FindMethodByName(name)
        return self.factory.GetPrototype(found.input_type), self.factory.GetPrototype(found.output_type)


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{CODES[code]}: {message}")
        self.code, self.message = CODES[code], message


class Closed(Exception):
    """The other side has closed the connection."""


class Client:
    """One connection. client.State(id="x") calls a method of the service; send() and result() are its two halves."""

    def __init__(self, api, path, service="containerd.task.v2.Task"):
        self.api, self.path, self.service = api, str(path), service
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.streams, self.inbox, self.waiting = itertools.count(1, 2), b"", {}
        self.answers = {}    # stream -> Response

    def __getattr__(self, method):
        if not method[:1].isupper():
            raise AttributeError(method)
        return lambda **fields: self.call(method, **fields)

    def raw(self, data):
        self.socket.sendall(data)

    def frame(self, payload, stream=None, type=REQUEST, flags=0):
        """Sends one frame and returns its stream."""
        stream = next(self.streams) if stream is None else stream
        self.raw(HEADER.pack(len(payload), stream, type, flags) + payload)
        return stream

    def request(self, method, payload, service=None, timeout_nano=0, metadata=()):
        return self.api("ttrpc.Request", service=service or self.service, method=method, payload=payload,
                        timeout_nano=timeout_nano, metadata=[{"key": k, "value": v} for k, v in metadata])

    def send(self, method, deadline=0, metadata=(), **fields):
        """@deadline: seconds that the server is told."""
        ask, answer = self.api.method(self.service, method)
        request = self.request(method, ask(**fields).SerializeToString(), timeout_nano=int(deadline * 1e9), metadata=metadata)
        stream = self.frame(request.SerializeToString())
        self.waiting[stream] = answer
        return stream

    def receive(self, end):
        """Reads one frame until the time @end: (stream, type, flags, payload)."""
        while len(self.inbox) < HEADER.size or len(self.inbox) < HEADER.size + HEADER.unpack_from(self.inbox)[0]:
            assert select.select([self.socket], [], [], max(0, end - time.monotonic()))[0], "no answer in time"
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(self.path)
            self.inbox += data
        length, stream, type, flags = HEADER.unpack_from(self.inbox)
        payload, self.inbox = self.inbox[HEADER.size:HEADER.size + length], self.inbox[HEADER.size + length:]
        return stream, type, flags, payload

    def response(self, stream, timeout=30):
        """The ttrpc.Response to that stream."""
        end = time.monotonic() + timeout * SLOWNESS
        while stream not in self.answers:
            got, type, _, payload = self.receive(end)
            assert type == RESPONSE, f"frame of type {type}"
            self.answers[got] = self.api.type("ttrpc.Response").FromString(payload)
        return self.answers.pop(stream)

    def result(self, stream, timeout=30):
        response = self.response(stream, timeout)
        if response.status.code:
            raise RpcError(response.status.code, response.status.message)
        return self.waiting.pop(stream).FromString(response.payload)

    def outcome(self, stream, timeout=30):
        """How it ended: (code, message)."""
        status = self.response(stream, timeout).status
        return CODES[status.code], status.message

    def is_answered(self, stream):
        """Without waiting."""
        while stream not in self.answers:
            try:
                got, _, _, payload = self.receive(0)
            except AssertionError:
                return False
            self.answers[got] = self.api.type("ttrpc.Response").FromString(payload)
        return True

    def call(self, method, timeout=30, **fields):
        return self.result(self.send(method, **fields), timeout)

    def fails(self, codes, method, **fields):
        """The call must fail with (one of) @codes; returns the message."""
        codes = {codes} if isinstance(codes, str) else set(codes)
        try:
            answer = self.call(method, **fields)
        except RpcError as err:
            assert err.code in codes, f"{method}: {err}, expected {codes}"
            return err.message
        raise AssertionError(f"{method} succeeds, expected {codes}: {answer}")

    def is_closed(self, timeout=10):
        """Does the other side hang up within that time?"""
        end = time.monotonic() + timeout * SLOWNESS
        try:
            while True:
                self.receive(end)
        except Closed:
            return True
        except AssertionError:
            return False

    def close(self):
        self.socket.close()
