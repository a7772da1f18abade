# SPDX-License-Identifier: Apache-2.0
"""The runtime under test, its bundles and its containers."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import tempfile

from . import rootfs as rootfs_
from .machine import CGROUP, cgroup_mode, v1_controllers
from .wait import SLOWNESS, eventually


class Result:
    """How a command ended. Text as Python prints it in a failed assertion."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out = args, status, out
        self.err = err.replace('\\"', '"')    # as a text log line quotes it

    def __repr__(self):
        return f"<{' '.join(map(str, self.args))}: status {self.status}\nstdout: {self.out}\nstderr: {self.err}>"


class Runtime:
    """Runs the binary with a --root of its own."""

    def __init__(self, binary, root, prefix=()):
        self.binary, self.root, self.prefix = str(binary), pathlib.Path(root), list(prefix)
        self.global_args = []

    def command(self, *args):
        return [*self.prefix, self.binary, "--root", str(self.root), *self.global_args, *map(str, args)]

    def __call__(self, *args, status=0, input=None, timeout=60, **kwargs):
        """Runs a command and checks its exit status (None: any)."""
        if input is None:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(self.command(*args), input=input, timeout=timeout * SLOWNESS, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, errors="replace", **kwargs)
        result = Result(args, done.returncode, done.stdout, done.stderr)
        assert status is None or result.status == status, result
        return result

    def fails(self, *args, status=1, timeout=60, input=None, **kwargs):
        """The command must fail with @status and say something."""
        # Into files: a container that comes up all the same would keep pipes open.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            if input is None:
                kwargs.setdefault("stdin", subprocess.DEVNULL)
            done = subprocess.run(self.command(*args), stdout=out, stderr=err, timeout=timeout * SLOWNESS, text=True,
                                  input=input, **kwargs)
            out.seek(0)
            err.seek(0)
            result = Result(args, done.returncode, out.read(), err.read())
        assert status is None or result.status == status, result
        assert result.status != 0 and result.err.strip(), result
        return result

    def popen(self, *args, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*args), text=True, **kwargs)

    @property
    def name(self):
        return self("--version").out.split()[0]


class Bundle:
    """A directory with config.json and rootfs/. Change @config, then use it: it is saved by itself."""

    def __init__(self, runtime, path, spec_args=(), owner=None):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        self.rootfs = self.path / "rootfs"
        rootfs_.make(self.rootfs)
        if owner is not None:
            subprocess.run(["chown", "-R", f"{owner}:{owner}", str(self.path)], check=True)
        runtime("spec", "--bundle", self.path, *spec_args)
        self.config = json.loads((self.path / "config.json").read_text())
        self.process["terminal"] = False

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    @property
    def resources(self):
        return self.linux.setdefault("resources", {})

    def args(self, *args):
        self.process["args"] = list(args)

    def sh(self, script):
        self.args("sh", "-c", script)

    def add_mount(self, destination, type=None, source=None, options=(), **more):
        mount = {"destination": str(destination), "options": list(options), **more}
        mount.update({k: str(v) for k, v in (("type", type), ("source", source)) if v})
        self.config["mounts"].append(mount)
        return mount

    def mount_at(self, destination):
        return next(m for m in self.config["mounts"] if m["destination"] == destination)

    def drop_mount(self, destination):
        self.config["mounts"] = [m for m in self.config["mounts"] if m["destination"] != destination]

    def drop_namespace(self, kind):
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != kind]

    def set_namespace(self, kind, path=None):
        self.drop_namespace(kind)
        self.linux["namespaces"].append({"type": kind, **({"path": str(path)} if path else {})})

    def user_namespace(self, first=100000, size=65536, chown=True):
        """A new user namespace whose root is @first outside."""
        self.set_namespace("user")
        mapping = {"containerID": 0, "hostID": first, "size": size}
        self.linux["uidMappings"] = [mapping]
        self.linux["gidMappings"] = [dict(mapping)]
        if chown:
            subprocess.run(["chown", "-R", f"{first}:{first}", str(self.rootfs)], check=True)

    def caps(self, *names):
        self.process["capabilities"] = {
            kind: list(names) for kind in ("bounding", "effective", "permitted")}

    def save(self):
        (self.path / "config.json").write_text(json.dumps(self.config, indent="\t"))


class Container:
    """One container of a bundle, by its id."""

    def __init__(self, runtime, bundle, id):
        self.runtime, self.bundle, self.id = runtime, bundle, id

    def _new(self, verb, options, kwargs):
        self.bundle.save()
        return self.runtime(verb, "--bundle", self.bundle.path, *options, self.id, **kwargs)

    def create(self, *options, **kwargs):
        # The container keeps its stdout: a pipe would never end for us.
        out = kwargs.pop("log", None) or self.bundle.path / "out"
        with open(out, "ab") as log:
            self.bundle.save()
            kwargs = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **kwargs}
            timeout = kwargs.pop("timeout", 60)
            want = kwargs.pop("status", 0)
            args = self.runtime.command("create", "--bundle", self.bundle.path, *options, self.id)
            done = subprocess.run(args, timeout=timeout * SLOWNESS, **kwargs)
        result = Result(args, done.returncode, "", self.output())
        assert want is None or result.status == want, result
        return result

    def start(self, **kwargs):
        return self.runtime("start", self.id, **kwargs)

    def run(self, *options, **kwargs):
        """In the foreground, until it ends."""
        return self._new("run", options, kwargs)

    def up(self, *options, **kwargs):
        """Runs it detached: create and start."""
        self.create(*options, **kwargs)
        self.start()
        return self

    def fails(self, *options, verb="run", status=1, **kwargs):
        """It must not come up, say why, and leave nothing behind (which every test checks)."""
        self.bundle.save()
        return self.runtime.fails(verb, "--bundle", self.bundle.path, *options, self.id, status=status, **kwargs)

    def exec(self, *args, options=(), **kwargs):
        return self.runtime("exec", *options, self.id, *args, **kwargs)

    def sh(self, script, **kwargs):
        return self.exec("sh", "-c", script, **kwargs)

    def spawn(self, *args, options=()):
        """exec --detach: the pid of what now runs beside init."""
        path = self.bundle.path / "exec.pid"
        path.unlink(missing_ok=True)
        null = subprocess.DEVNULL
        command = self.runtime.command("exec", "--detach", "--pid-file", path, *options, self.id, *args)
        done = subprocess.run(command, stdin=null, stdout=null, stderr=null, timeout=60 * SLOWNESS)
        assert done.returncode == 0, command
        return int(path.read_text())

    def kill(self, *args, **kwargs):
        return self.runtime("kill", self.id, *args, **kwargs)

    def delete(self, *options, **kwargs):
        return self.runtime("delete", *options, self.id, **kwargs)

    def state(self):
        return json.loads(self.runtime("state", self.id).out)

    @property
    def status(self):
        return self.state()["status"]

    @property
    def pid(self):
        return self.state()["pid"]

    def wait(self, status):
        eventually(lambda: self.status == status, f"container {self.id} is {status}")
        return self

    def output(self):
        """What a detached container wrote so far."""
        path = self.bundle.path / "out"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_output(self, text):
        return eventually(lambda: text in self.output() and self.output(), f"{text!r} in the container's output")

    def cgroup(self, controller):
        """The directory of this container's cgroup."""
        name = self.bundle.linux["cgroupsPath"].lstrip("/")
        return (CGROUP if cgroup_mode() == "v2" else v1_controllers()[controller]) / name

    def limit(self, controller, v1, v2):
        """The content of a limit's file."""
        return (self.cgroup(controller) / (v2 if cgroup_mode() == "v2" else v1)).read_text().strip()

    def signal_init(self, sig=signal.SIGKILL):
        os.kill(self.pid, sig)


class Maker:
    """The `box` fixture: box() makes a container with an id and a bundle of its own."""

    def __init__(self, runtime, directory, prefix, owner=None):
        self.runtime, self.directory = runtime, pathlib.Path(directory)
        self.prefix, self.owner, self.count, self.ids = prefix, owner, itertools.count(1), []

    def __call__(self, *args, script=None, spec_args=(), bundle=None, id=None):
        number = next(self.count)
        id = id or f"{self.prefix}{number}"
        self.ids.append(id)
        if bundle is None:
            bundle = Bundle(self.runtime, self.directory / f"b{number}", spec_args, self.owner)
            if not spec_args:
                bundle.linux["cgroupsPath"] = f"/{id}"
        if script is not None:
            bundle.sh(script)
        elif args:
            bundle.args(*args)
        return Container(self.runtime, bundle, id)

    def sleeper(self):
        """A container that stays until it is killed (init handles TERM by dying)."""
        return self(script="trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done")

    def running(self):
        box = self.sleeper()
        box.up()
        box.wait_output("ready")
        return box
