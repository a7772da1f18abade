# SPDX-License-Identifier: Apache-2.0
"""The shim under test (environment DAVIT_SHIM), driven as containerd drives it, and its containers."""

import itertools
import json
import os
import pathlib
import signal
import subprocess

from . import leftovers, ttrpc
from .fifo import Fifos
from .runtime import Bundle
from .shim_api import OPTIONS, bootstrap
from .wait import SLOWNESS, eventually

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STATUS = ("unknown", "created", "running", "stopped", "paused", "pausing")
GROUP = "io.kubernetes.cri.sandbox-id"


def descriptors(pid):
    """number -> what it is, of a process's open files."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
        except OSError:    # closed meanwhile
            pass
    return found


class Container:
    """A container and the shim that it has, or shares with @group's. c("Kill", signal=9) calls the task service."""

    def __init__(self, shims, id, bundle):
        self.shims, self.id, self.bundle = shims, id, bundle
        self.rpc, self.address, self.version, self.pid, self.io, self.is_created = None, None, 0, 0, [], False
        self.runtime_root = shims.root

    # the binary's commands

    def run_binary(self, action, *options, env=None, **kwargs):
        """As containerd 1.6 and 1.7 run it."""
        shims = self.shims
        command = [str(shims.binary), "-namespace", shims.namespace, "-address", str(shims.daemon.address),
                   "-publish-binary", shims.publish_binary, "-id", self.id, *options, action]
        if "input" not in kwargs:
            kwargs["stdin"] = subprocess.DEVNULL
        return subprocess.run(command, cwd=self.bundle.path, env={**shims.environment, **(env or {})},
                              timeout=20 * SLOWNESS, **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **kwargs})

    def launch(self, *options, **kwargs):
        """`start`: a shim serves, or the pod's does already."""
        self.bundle.save()
        log = self.bundle.path / "log"
        if not log.exists():
            self.shims.daemon.read_log(log)
        done = self.run_binary("start", *options, **kwargs)
        assert done.returncode == 0, done.stdout
        self.version, address, protocol = bootstrap(self.shims.api, done.stdout)
        assert protocol == "ttrpc" and address.startswith("unix:///"), done.stdout
        self.address = pathlib.Path(address.removeprefix("unix://"))
        self.shims.sockets.add(self.address)
        self.connect()
        self.shim_pid = self("Connect").shim_pid
        self.shims.pids.add(self.shim_pid)
        return self

    def cleanup(self, *options):
        """`delete`, as a daemon does when it cannot reach the shim: the DeleteResponse."""
        done = self.run_binary("delete", "-bundle", str(self.bundle.path), *options, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        self.is_created, self.said = False, done.stderr.decode(errors="replace")
        return self.shims.api.type("containerd.task.v2.DeleteResponse").FromString(done.stdout)

    # calls

    def connect(self, service="containerd.task.v2.Task"):
        """Another connection to the shim; the first one is what calls use."""
        client = ttrpc.Client(self.shims.api, self.address, service)
        self.shims.clients.append(client)
        self.rpc = self.rpc or client
        return client

    def __call__(self, method, **fields):
        return self.rpc.call(method, id=self.id, **fields)

    def fails(self, codes, method, **fields):
        return self.rpc.fails(codes, method, id=self.id, **fields)

    def send(self, method, **fields):
        return self.rpc.send(method, id=self.id, **fields)

    def create_fields(self, io=None, terminal=False, options=None, **fields):
        fields = {"bundle": str(self.bundle.path), "terminal": terminal, **(io.fields if io else {}), **fields}
        self.bundle.process["terminal"] = terminal
        self.bundle.save()
        fields["options"] = self.shims.options(**(options or {}))
        return fields

    def create(self, **how):
        if self.rpc is None:
            self.launch()
        self.pid = self("Create", **self.create_fields(**how)).pid
        self.is_created = True
        return self

    def up(self, **how):
        self.create(**how)
        assert self("Start").pid == self.pid
        return self

    def fifos(self, stdin=False, stderr=True, **reader):
        """New fifos for one process of this container. With a terminal there is no stderr."""
        names = [*(["stdin"] if stdin else []), "stdout", *(["stderr"] if stderr else [])]
        made = Fifos(self.bundle.path / f"io{len(self.io)}", names, **reader)
        self.io.append(made)
        return made

    def add_exec(self, exec_id, *args, io=None, terminal=False, script=None, **process):
        """Exec: a process that Start(exec_id) will run."""
        args = ["sh", "-c", script] if script is not None else list(args)
        spec = {**self.bundle.process, "args": args, "terminal": terminal, **process}
        self("Exec", exec_id=exec_id, terminal=terminal, spec=self.shims.api.json(json.dumps(spec)),
             **(io.fields if io else {}))

    def exec(self, exec_id, *args, **how):
        """Exec and Start: its pid."""
        self.add_exec(exec_id, *args, **how)
        return self("Start", exec_id=exec_id).pid

    def status(self, exec_id=""):
        return STATUS[self("State", exec_id=exec_id).status]

    def kill(self, sig=signal.SIGKILL, **fields):
        return self("Kill", signal=int(sig), **fields)

    def wait_status(self, status, exec_id=""):
        eventually(lambda: self.status(exec_id) == status, f"{exec_id or self.id} is {status}")

    def end(self):
        """Kill, Wait, Delete: the DeleteResponse."""
        self.kill(all=True)
        self("Wait")
        return self.delete()

    def delete(self):
        answer = self("Delete")
        self.is_created = False
        return answer

    def shutdown(self):
        """The shim may end before its answer is out."""
        try:
            self("Shutdown")
        except ttrpc.Closed:
            pass

    # looking

    def events(self):
        return self.shims.daemon.names(self.id)

    def expect_events(self, *names):
        """All of this container's events, in their order."""
        try:
            eventually(lambda: len(self.events()) >= len(names), "")
        except AssertionError:
            pass
        assert self.events() == list(names), f"{self.shims.daemon.of(self.id)}\nlog: {self.shims.daemon.log}"

    def wait_event(self, name, process=None):
        return self.shims.daemon.wait(self.id, name, process)

    def descriptors(self):
        return descriptors(self.shim_pid)

    def finish(self):
        """Whatever became of it, it goes. Returns what is wrong."""
        for io in self.io:
            io.close()
        if self.address is None:
            return []
        try:
            rpc = ttrpc.Client(self.shims.api, self.address)
        except OSError:
            if self.is_created:
                self.cleanup()
            return []
        try:
            for method, fields in (("Kill", {"signal": 9, "all": True}), ("Wait", {}), ("Delete", {})):
                try:
                    rpc.call(method, id=self.id, timeout=15, **fields)
                except ttrpc.RpcError as err:
                    if err.code != "NOT_FOUND":
                        return [f"{method} of {self.id}: {err}"]
            rpc.call("Shutdown", id=self.id)
        except ttrpc.Closed:
            pass
        except AssertionError as err:
            return [f"the shim of {self.id} does not answer: {err}"]
        finally:
            rpc.close()
        return []


class Shims:
    """The `shim` fixture: shim("true") is a new container, with a shim of its own unless it joins a @group."""

    def __init__(self, binary, api, daemon, oci, work):
        self.binary, self.api, self.daemon, self.oci, self.work = binary, api, daemon, oci, work
        self.namespace, self.root, self.publish_binary = "ns", work / "runtime", "/bin/false"
        self.containers, self.clients, self.sockets, self.pids = [], [], set(), set()
        self.numbers = itertools.count(1)
        self.environment = {
            "PATH": f"{pathlib.Path(oci.binary).parent}:{PATH}", "TTRPC_ADDRESS": str(daemon.ttrpc_address),
            "GRPC_ADDRESS": str(daemon.address), "NAMESPACE": self.namespace, "MAX_SHIM_VERSION": "2", "GOMAXPROCS": "2"}

    def options(self, **fields):
        return self.api.any(OPTIONS, **{"binary_name": self.oci.binary, "root": str(self.root), **fields})

    def __call__(self, *args, script=None, group=None):
        id = f"{self.work.name}-{len(self.containers) + 1}"
        (self.work / "bundles").mkdir(exist_ok=True)
        bundle = Bundle(self.oci, self.work / "bundles" / id)
        bundle.linux["cgroupsPath"] = f"/{id}"
        bundle.config["root"]["readonly"] = False
        if group is not None:
            bundle.config.setdefault("annotations", {})[GROUP] = getattr(group, "id", group)
        if script is not None:
            bundle.sh(script)
        elif args:
            bundle.args(*args)
        container = Container(self, id, bundle)
        self.containers.append(container)
        return container

    def sleeper(self, **how):
        return self("sleep", "1000", **how)

    def finish(self):
        """Ends all containers and shims; returns what is left."""
        problems = []
        for container in reversed(self.containers):
            problems += container.finish()
        for client in self.clients:
            client.close()
        try:
            eventually(lambda: not any(leftovers.is_alive(pid) for pid in self.pids), "", timeout=5)
        except AssertionError:
            problems += [f"shim {pid} stays" for pid in self.pids if leftovers.is_alive(pid)]
        files = [path.with_name(path.name + end) for path in self.sockets for end in ("", ".events")]
        left = [path for path in files if path.exists()]
        for path in left:
            path.unlink()
        if "davit" in self.binary.name:    # containerd's leaves it when it was killed
            problems += [f"file {path}" for path in left]
        problems += [f"runtime state {path}" for path in self.root.glob("*/*")]
        if problems:
            problems.append(f"log: {self.daemon.log}")
        return problems
