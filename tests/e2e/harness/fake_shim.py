# SPDX-License-Identifier: Apache-2.0
"""A shim without containers, of version 2, which does what a test wants: hangs, dies, answers late, fails.

davitd starts it as containerd-shim-fake-v1. What it shall do is in files of one directory, looked at with each call:
"<method>" or "<id>.<method>", where a method is one of the Task service, or "start" or "delete" of the command line:

    hang            no answer, until the file is gone
    die             killed instead of an answer
    error CODE why  an error
    exit N          (Start) the process ends at once

SIGUSR1 ends the process with status 6. The file "calls" has a line "<id> <method>" for each call. FakeShims is the test's side.
"""

import contextlib
import os
import pathlib
import select
import signal
import socket
import sys
import time

from .ttrpc import CODES, HEADER, REQUEST, RESPONSE, Api, Client

TOP = pathlib.Path(__file__).resolve().parents[3]
RUNTIME = "io.containerd.fake.v1"
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4


class FakeShims:
    """Gives a daemon that is not started yet, or will be restarted, such shims."""

    def __init__(self, api, directory, server):
        self.orders, self.bin = directory / "orders", directory / "bin"
        self.orders.mkdir()
        self.bin.mkdir()
        program = self.bin / "containerd-shim-fake-v1"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={TOP}/tests/e2e PYTHONDONTWRITEBYTECODE=1 FAKE_ORDERS={self.orders} FAKE_API={api.compiled} '
                           f'exec {sys.executable} -m harness.fake_shim "$@"\n')
        program.chmod(0o755)
        server.environment["PATH"] = f"{self.bin}:{server.environment['PATH']}"

    def order(self, method, what, id=None):
        name = f"{id}.{method}" if id else method
        (self.orders / f".{name}").write_text(what)
        (self.orders / f".{name}").rename(self.orders / name)

    def release(self, method, id=None):
        (self.orders / (f"{id}.{method}" if id else method)).unlink()

    @property
    def calls(self):
        try:
            return [tuple(line.split()) for line in (self.orders / "calls").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def pid(self, id):
        """Of the shim's process, None when it has gone."""
        try:
            pid = int((self.orders / f"{id}.pid").read_text())
            return pid if b"harness.fake_shim" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() else None
        except (FileNotFoundError, ProcessLookupError):
            return None

    def kill(self, id, number=signal.SIGKILL):
        os.kill(self.pid(id), number)

    def close(self):
        """All shims are killed."""
        for path in list(self.orders.glob("*.pid")):
            if self.pid(path.stem):
                self.kill(path.stem)

    def forget(self):
        """All orders are taken back."""
        for path in list(self.orders.iterdir()):
            path.unlink()


class Ordered:
    """The files."""

    def __init__(self, id):
        self.directory, self.id = pathlib.Path(os.environ["FAKE_ORDERS"]), id

    def note(self, id, method):
        with open(self.directory / "calls", "a") as f:
            f.write(f"{id} {method}\n")

    def find(self, id, method):
        for name in (f"{id}.{method}", method):
            with contextlib.suppress(FileNotFoundError):
                return (self.directory / name).read_text().split(maxsplit=2)
        return []

    def action(self, name):
        """Of the command line."""
        self.note(self.id, name)
        while (order := self.find(self.id, name))[:1] == ["hang"]:
            time.sleep(0.01)
        if order[:1] == ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if order[:1] == ["error"]:
            sys.exit(" ".join(order[1:]))


class Shim:
    def __init__(self, api, ns, id, listener):
        self.api, self.ns, self.id, self.listener = api, ns, id, listener
        self.orders = Ordered(id)
        self.tasks, self.waits, self.hanging, self.connections = {}, [], [], {}

    def serve(self):
        while True:
            ends = [self.listener, *self.connections]
            for end in select.select(ends, [], [], 0.02 if self.hanging else None)[0]:
                if end is self.listener:
                    self.connections[end.accept()[0]] = b""
                else:
                    self.read(end)
            again, self.hanging = self.hanging, []
            for call in again:
                self.request(*call)

    def read(self, connection):
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            del self.connections[connection]
            return
        inbox = self.connections[connection] + data
        while len(inbox) >= HEADER.size and len(inbox) >= HEADER.size + HEADER.unpack_from(inbox)[0]:
            length, stream, kind, _ = HEADER.unpack_from(inbox)
            payload, inbox = inbox[HEADER.size:HEADER.size + length], inbox[HEADER.size + length:]
            if kind == REQUEST:
                request = self.api.type("ttrpc.Request").FromString(payload)
                ask, answer = self.api.method(request.service, request.method)
                message = ask.FromString(request.payload)
                self.orders.note(message.id, request.method)
                if ".v3." in request.service:
                    self.reply(connection, stream, error=(CODES.index("UNIMPLEMENTED"), f"service {request.service}"))
                    continue
                self.request(connection, stream, request.method, message, answer)
        self.connections[connection] = inbox

    def request(self, connection, stream, method, message, answer):
        order = self.orders.find(message.id, method)
        if order[:1] == ["hang"]:
            self.hanging.append((connection, stream, method, message, answer))
            return
        if order[:1] == ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        reply = lambda **given: self.reply(connection, stream, **given)
        if order[:1] == ["error"]:
            reply(error=(CODES.index(order[1]), order[2]))
        elif message.id not in self.tasks and method not in ("Create", "Shutdown"):
            reply(error=(CODES.index("NOT_FOUND"), "container not created"))
        else:
            getattr(self, method.lower())(message, lambda **fields: reply(payload=answer(**fields).SerializeToString()))
        if method == "Start" and order[:1] == ["exit"]:
            self.exit(message.id, int(order[1]))

    def reply(self, connection, stream, payload=b"", error=None):
        status = {"code": error[0], "message": error[1]} if error else None
        data = self.api("ttrpc.Response", status=status, payload=payload).SerializeToString()
        with contextlib.suppress(OSError):
            connection.sendall(HEADER.pack(len(data), stream, RESPONSE, 0) + data)

    def publish(self, topic, type, **fields):
        event = self.api.any(f"containerd.events.{type}", **fields)
        with contextlib.suppress(OSError):
            to = Client(self.api, os.environ["TTRPC_ADDRESS"], "containerd.services.events.ttrpc.v1.Events")
            to.Forward(envelope={"namespace": self.ns, "topic": topic, "event": event, "timestamp": {"seconds": int(time.time())}})
            to.close()

    def create(self, message, reply):
        pid = 100000000 + os.getpid() + len(self.tasks)    # nobody's
        self.tasks[message.id] = {"pid": pid, "status": CREATED, "exit_status": 0, "stdin": message.stdin, "stdout": message.stdout,
                                  "stderr": message.stderr, "terminal": message.terminal}
        self.publish("/tasks/create", "TaskCreate", container_id=message.id, pid=pid)
        reply(pid=pid)

    def start(self, message, reply):
        task = self.tasks[message.id]
        task["status"] = RUNNING
        self.publish("/tasks/start", "TaskStart", container_id=message.id, pid=task["pid"])
        reply(pid=task["pid"])

    def state(self, message, reply):
        reply(id=message.id, **self.tasks[message.id])

    def connect(self, message, reply):
        reply(shim_pid=os.getpid(), task_pid=self.tasks[message.id]["pid"])

    def wait(self, message, reply):
        if self.tasks[message.id]["status"] == STOPPED:
            reply(**self.ended(message.id))
        else:
            self.waits.append((message.id, reply))

    def ended(self, id):
        return {"exit_status": self.tasks[id]["exit_status"], "exited_at": self.tasks[id]["exited_at"]}

    def exit(self, id, status):
        task = self.tasks[id]
        if task["status"] == STOPPED:
            return
        task.update(status=STOPPED, exit_status=status, exited_at={"seconds": int(time.time())})
        self.publish("/tasks/exit", "TaskExit", container_id=id, id=id, pid=task["pid"], **self.ended(id))
        for waiter, reply in self.waits:
            if waiter == id:
                reply(**self.ended(id))

    def kill(self, message, reply):
        """Signals above 128 are the way to say with which status it ends."""
        reply()
        self.exit(message.id, message.signal - 128 if message.signal >= 128 else 128 + message.signal)

    def exec(self, message, reply):
        reply()

    def pause(self, message, reply):
        self.tasks[message.id]["status"] = PAUSED
        reply()

    def delete(self, message, reply):
        task = self.tasks.pop(message.id)
        if task["status"] != STOPPED:
            task.update(exit_status=0, exited_at={"seconds": int(time.time())})
        fields = {"pid": task["pid"], "exit_status": task["exit_status"], "exited_at": task["exited_at"]}
        self.publish("/tasks/delete", "TaskDelete", container_id=message.id, **fields)
        reply(**fields)

    def shutdown(self, message, reply):
        reply()
        if not self.tasks:
            os._exit(0)


def start(orders, ns, id):
    orders.action("start")
    path = orders.directory / f"{ns}-{id}.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    if os.fork():
        os.write(1, f"unix://{path}".encode())
        os._exit(0)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    (orders.directory / f"{id}.pid").write_text(str(os.getpid()))
    shim = Shim(Api(os.environ["FAKE_API"]), ns, id, listener)
    signal.signal(signal.SIGUSR1, lambda *_: shim.exit(id, 6))
    shim.serve()


def main():
    given = dict(zip(sys.argv[1:], sys.argv[2:]))
    ns, id = given["-namespace"], given["-id"]
    orders = Ordered(id)
    if sys.argv[-1] == "start":
        start(orders, ns, id)
    else:
        orders.action("delete")
        answer = Api(os.environ["FAKE_API"])("containerd.task.v2.DeleteResponse", exit_status=137, exited_at={"seconds": int(time.time())})
        os.write(1, answer.SerializeToString())


if __name__ == "__main__":
    main()
