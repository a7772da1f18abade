# SPDX-License-Identifier: Apache-2.0
"""Streams of the Streaming service, and transfers of images on them, as Go's clients do it."""

import itertools
import queue
import threading

METHOD = "/containerd.services.streaming.v1.Streaming/Stream"


class Stream:
    def __init__(self, client):
        self.api, self.questions = client.api, queue.SimpleQueue()
        any_type = client.api.type("google.protobuf.Any")
        make = client.channel.stream_stream(METHOD, any_type.SerializeToString, any_type.FromString)
        self.any_type, self.answers = any_type, make(iter(self.questions.get, None), timeout=30, metadata=client.metadata())

    def send(self, name, **fields):
        message = self.api.type(name)(**fields)
        self.questions.put(self.any_type(type_url=name, value=message.SerializeToString()))

    def open(self, name):
        self.send("containerd.services.streaming.v1.StreamInit", id=name)
        return next(self.answers)

    def cancel(self):
        self.questions.put(None)
        self.answers.cancel()


PIECE, numbers = 32 << 10, itertools.count()


def unpacked(value, name, api):
    return api.type(name).FromString(value)


class Sender(threading.Thread):
    """Bytes to davitd, as many as it has room for."""

    def __init__(self, client, data):
        super().__init__(daemon=True)
        self.client, self.data, self.name_of_stream = client, data, f"import-{next(numbers)}"
        self.stream = Stream(client)
        self.stream.open(self.name_of_stream)
        self.start()

    def run(self):
        window, at = 64 << 10, 0
        try:
            while at < len(self.data):
                while window <= 0:
                    update = next(self.stream.answers)
                    window += unpacked(update.value, "containerd.types.transfer.WindowUpdate", self.client.api).update
                piece = self.data[at:at + min(PIECE, window)]
                self.stream.send("containerd.types.transfer.Data", data=piece)
                at, window = at + len(piece), window - len(piece)
            self.stream.questions.put(None)
        except Exception:    # the transfer has failed, and says why
            pass


class Progress(threading.Thread):
    """Collects the progress of a transfer."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.name_of_stream, self.events = client, f"progress-{next(numbers)}", []
        self.stream = Stream(client)
        self.stream.open(self.name_of_stream)
        self.start()

    def run(self):
        try:
            for message in self.stream.answers:
                self.events.append(unpacked(message.value, "containerd.types.transfer.Progress", self.client.api))
        except Exception:
            pass


class Receiver(threading.Thread):
    """Bytes from davitd, with leave for as many as were taken."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.name_of_stream, self.data = client, f"export-{next(numbers)}", b""
        self.stream = Stream(client)
        self.stream.open(self.name_of_stream)
        self.start()

    def run(self):
        pieces = []
        try:
            self.stream.send("containerd.types.transfer.WindowUpdate", update=64 << 10)
            for message in self.stream.answers:
                pieces.append(unpacked(message.value, "containerd.types.transfer.Data", self.client.api).data)
                assert len(pieces[-1]) <= PIECE
                self.stream.send("containerd.types.transfer.WindowUpdate", update=len(pieces[-1]))
        except Exception:    # the transfer has failed, and says why
            pass
        self.data = b"".join(pieces)
        self.stream.questions.put(None)


def packed(client, name, fields):
    return {"type_url": name, "value": client.api.type(name)(**fields).SerializeToString()}


def transfer(client, source, destination, progress=None):
    """Both are (name, fields) below containerd.types.transfer."""
    source, destination = (packed(client, f"containerd.types.transfer.{name}", fields) for name, fields in (source, destination))
    client.transfer.Transfer(source=source, destination=destination,
                             options={"progress_stream": progress.name_of_stream if progress else ""})


def load(client, archive, progress=None, **store):
    """Imports an archive, as `ctr images import` does."""
    sender = Sender(client, archive)
    store.setdefault("extra_references", [{"name": "import", "is_prefix": True, "allow_overwrite": True}])
    transfer(client, ("ImageImportStream", {"stream": sender.name_of_stream}), ("ImageStore", store), progress)


def save(client, *names, progress=None, **stream):
    """The archive that an export of the images gives."""
    receiver = Receiver(client)
    transfer(client, ("ImageStore", {"name": names[0], "extra_references": [{"name": name} for name in names[1:]]}),
             ("ImageExportStream", {"stream": receiver.name_of_stream, **stream}), progress)
    receiver.join(30)
    assert not receiver.is_alive()
    return receiver.data
