# SPDX-License-Identifier: Apache-2.0
"""gRPC by the schemas below api/: Client(api, path, "ns").content.Info(digest=…), with any daemon."""

import queue

try:
    import grpc
except ImportError:    # the fixture says so, where it matters
    grpc = None

SERVICES = {name.lower(): f"containerd.services.{name.lower()}.v1.{name}" for name in (
    "Containers", "Content", "Diff", "Events", "Images", "Introspection", "Leases", "Mounts", "Namespaces", "Snapshots",
    "Tasks", "Transfer", "Version")}
SERVICES["sandboxes"] = "containerd.services.sandbox.v1.Store"
SERVICES["sandbox"] = "containerd.services.sandbox.v1.Controller"
SERVICES["system"] = "davit.system.v1.System"
LIMIT = 16 << 20


class Client:
    """@lease, @namespace: what each call says of itself. Another one on the same connection: client.using(lease=…)."""

    def __init__(self, api, path, namespace=None, lease=None, channel=None):
        self.api, self.path, self.namespace, self.lease = api, path, namespace, lease
        self.channel = channel or grpc.insecure_channel(f"unix://{path}", [
            ("grpc.max_send_message_length", LIMIT), ("grpc.max_receive_message_length", LIMIT),
            ("grpc.use_local_subchannel_pool", 1)])

    def using(self, **changes):
        return Client(self.api, self.path, **{"namespace": self.namespace, "lease": self.lease, "channel": self.channel, **changes})

    def close(self):
        self.channel.close()

    def metadata(self):
        pairs = [("containerd-namespace", self.namespace), ("containerd-lease", self.lease)]
        return [(key, value) for key, value in pairs if value is not None]

    def __getattr__(self, name):
        if name not in SERVICES:
            raise AttributeError(name)
        return Service(self, SERVICES[name])


class Service:
    def __init__(self, client, name):
        self.client, self.name = client, name

    def __getattr__(self, method):
        """A function of the request's fields. Of a server's stream: all its messages, as a list."""
        request, response = self.client.api.method(self.name, method)
        found = self.client.api.pool.FindServiceByName(self.name).FindMethodByName(method)
        streams = proto(found)
        path = f"/{self.name}/{method}"
        coders = {"request_serializer": request.SerializeToString, "response_deserializer": response.FromString}
        if streams.client_streaming:
            make = self.client.channel.stream_stream(path, **coders)
            return lambda timeout=60: Stream(make, request, self.client.metadata(), timeout)
        if streams.server_streaming:
            make = self.client.channel.unary_stream(path, **coders)
            return lambda timeout=60, **fields: list(make(request(**fields), timeout=timeout, metadata=self.client.metadata()))
        make = self.client.channel.unary_unary(path, **coders)
        return lambda timeout=60, **fields: make(request(**fields), timeout=timeout, metadata=self.client.metadata())


def proto(method):
    from google.protobuf import descriptor_pb2
    out = descriptor_pb2.MethodDescriptorProto()
    method.CopyToProto(out)
    return out


class Stream:
    """A stream in both directions, one answer for each question: stream(field=…)."""

    def __init__(self, make, request, metadata, timeout):
        self.request, self.questions = request, queue.SimpleQueue()
        self.answers = make(iter(self.questions.get, None), timeout=timeout, metadata=metadata)

    def __call__(self, **fields):
        self.questions.put(self.request(**fields))
        return next(self.answers)

    def end(self):
        """We say no more; waits for the other side to end it, too."""
        self.questions.put(None)
        return list(self.answers)

    def cancel(self):
        self.questions.put(None)
        self.answers.cancel()


class Failure:
    """with fails("NOT_FOUND") as f: … — and f.text is what the daemon said."""

    def __init__(self, *codes):
        self.codes, self.text = codes, None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is not None, f"no error, expected {' or '.join(self.codes)}"
        if not issubclass(kind, grpc.RpcError):
            return False
        self.text = error.details()
        assert error.code().name in self.codes, f"{error.code().name}, expected {' or '.join(self.codes)}: {self.text}"
        return True


fails = Failure
