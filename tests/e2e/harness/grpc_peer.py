# SPDX-License-Identifier: Apache-2.0
"""gRPC on both sides of the wire: our test server for Python's client, Python's server for our client.

The messages are google.rpc.Status {code, message}, encoded here in ten lines, so that Python's
gRPC sees bytes alone. What the methods do: src/rpc/test-grpc-service.h.
"""

import concurrent.futures
import signal
import subprocess
import time

import grpc

SERVICE = "davit.test.Peer"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def _varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def encode(code=0, text=""):
    data = text.encode()
    return (b"\x08" + _varint(code) if code else b"") + (b"\x12" + _varint(len(data)) + data if data else b"")


def decode(data):
    """(code, text)"""
    at, code, text = 0, 0, ""

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        if tag == 8:
            code = varint()
        else:
            n = varint()
            text = data[at:at + n].decode()
            at += n
    return code, text


class Peer:
    """Our server as a process; peer.unary("Echo") and so on are Python's callables."""

    def __init__(self, program, directory):
        self.path, self.read_only_path = directory / "peer.sock", directory / "peer-ro.sock"
        self.process = subprocess.Popen([program, self.path, self.read_only_path], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        self.channels = []
        self.channel = self.connect()

    def connect(self, path=None):
        # Each with connections of its own, not those that the library would share.
        options = UNLIMITED + [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.insecure_channel(f"unix:{path or self.path}", options=options)
        self.channels.append(channel)
        return channel

    def unary(self, method, channel=None):
        return (channel or self.channel).unary_unary(f"/{SERVICE}/{method}", encode_args, decode)

    def out(self, method):
        return self.channel.unary_stream(f"/{SERVICE}/{method}", encode_args, decode)

    def into(self, method):
        return self.channel.stream_unary(f"/{SERVICE}/{method}", encode_args, decode)

    def both(self, method):
        return self.channel.stream_stream(f"/{SERVICE}/{method}", encode_args, decode)

    def stats(self):
        """Connections, calls (this one is among them), bytes accounted for, calls cancelled."""
        return [int(word) for word in self.unary("Stats")(())[1].split()]

    def rss(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        return 0

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        for channel in self.channels:
            channel.close()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.process.wait(20)
        self.process.stdout.close()
        assert status == 0


def encode_args(args):
    return encode(*args)


class Handler(grpc.GenericRpcHandler):
    """The same service, in Python."""

    def __init__(self):
        self.cancelled = 0
        self.metadata = []
        self.running = 0

    def service(self, details):
        name = details.method.rpartition("/")[2]
        self.metadata = details.invocation_metadata
        kinds = {"Echo": grpc.unary_unary_rpc_method_handler, "Fail": grpc.unary_unary_rpc_method_handler,
                 "Hold": grpc.unary_unary_rpc_method_handler, "Make": grpc.unary_unary_rpc_method_handler,
                 "Meta": grpc.unary_unary_rpc_method_handler,
                 "Count": grpc.unary_stream_rpc_method_handler, "Collect": grpc.stream_unary_rpc_method_handler,
                 "Chat": grpc.stream_stream_rpc_method_handler, "Early": grpc.stream_unary_rpc_method_handler}
        if name not in kinds:
            return None
        return kinds[name](getattr(self, name.lower()), decode, encode_args)

    def echo(self, request, _context):
        return request

    def fail(self, request, context):
        if "details" in request[1]:    # a google.rpc.Status with two of them
            detail = b"\x1a\x0a\x0a\x03x.Y\x12\x03abc"
            context.set_trailing_metadata((("grpc-status-details-bin", encode(*request) + 2 * detail),))
        context.abort(next(c for c in grpc.StatusCode if c.value[0] == request[0]), request[1])

    def hold(self, _request, context):
        def gone():
            self.cancelled += 1
        context.add_callback(gone)
        while context.is_active():
            time.sleep(0.01)
        return ()

    def make(self, request, _context):
        return (0, "x" * request[0])

    def meta(self, request, _context):
        value = dict(self.metadata).get(request[1], "(none)")
        return (0, value.hex() if isinstance(value, bytes) else value)

    def count(self, request, _context):
        for i in range(request[0]):
            yield (i + 1, request[1])

    def collect(self, requests, _context):
        texts = [text for _, text in requests]
        return (len(texts), str(sum(map(len, texts))))

    def early(self, requests, context):
        next(requests)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "enough")

    def chat(self, requests, _context):
        yield from requests


class PythonServer:
    def __init__(self, directory, name="python.sock", workers=16, compression=None):
        self.path = directory / name
        self.handler = Handler()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(workers), options=UNLIMITED, compression=compression)
        self.server.add_generic_rpc_handlers((self.handler,))
        self.server.add_insecure_port(f"unix:{self.path}")
        self.server.start()

    def close(self):
        self.server.stop(None).wait()


class Caller:
    """Our client as a process."""

    def __init__(self, program, path):
        self.program, self.path = program, path

    def __call__(self, method, kind="unary", code=0, text="", times=1, timeout_ms=0, cancel_ms=0):
        """[(error's code, messages, code of the last, text), ...]"""
        done = subprocess.run([self.program, self.path, method, kind, str(code), text, str(times), str(timeout_ms),
                               str(cancel_ms)], stdout=subprocess.PIPE, check=True, timeout=50)
        rows = [line.split(" ", 3) for line in done.stdout.decode().splitlines()]
        return [(int(a), int(b), int(c), d) for a, b, c, d in rows]
