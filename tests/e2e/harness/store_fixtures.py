# SPDX-License-Identifier: Apache-2.0
"""A daemon with containerd's API for the tests of the stores: DAVITD names davitd, or is "containerd" for Debian's.

Whatever a test leaves of its tasks (processes, mounts, cgroups, sockets, bundles) makes it fail.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import uuid

import pytest

from . import daemon, grpc_client, leftovers, machine
from .containerd import CONFIG
from .wait import eventually

TOP = pathlib.Path(__file__).resolve().parents[3]
DEFAULT_DAVITD = TOP / "build/src/cmd/davitd/davitd"
SOCKETS = pathlib.Path("/run/containerd/s")


class StoreDaemon:
    def __init__(self, api, program, directory, *more):
        """@more: further options of davitd."""
        self.api, self.directory, self.clients = api, directory, []
        self.namespaces, self.shims = set(), set()
        self.is_davit = pathlib.Path(program).name != "containerd"
        if self.is_davit:
            options = ["--root", directory / "root", "--state", directory / "state", "--address", directory / "sock", *more]
        else:
            (directory / "config.toml").write_text(CONFIG.format(directory=directory))
            options = ["--config", directory / "config.toml"]
        self.server = daemon.Daemon(pathlib.Path(program).name, [str(program), *map(str, options)], directory, self.answers,
                                    path=program_path(program), is_ours=self.is_davit)

    @property
    def root(self):
        return self.directory / "root"

    @property
    def bundles(self):
        return self.directory / "state/io.containerd.runtime.v2.task"

    def answers(self):
        probe = grpc_client.Client(self.api, self.directory / "sock")
        try:
            return probe.version.Version(timeout=2).version != ""
        except grpc_client.grpc.RpcError:
            return False
        finally:
            probe.close()

    def client(self, namespace=None):
        namespace = namespace or f"ns-{uuid.uuid4().hex[:8]}"
        self.clients.append(grpc_client.Client(self.api, self.directory / "sock", namespace))
        return self.clients[-1]

    def crash(self):
        """Killed, and started again."""
        self.server.kill()
        self.server.start()

    def watch(self, namespace, id):
        """That container's shim and cgroup must be gone in the end. @namespace is this test's alone."""
        self.namespaces.add(namespace)
        self.shims.add((namespace, id))

    def leftovers(self):
        """What no test may leave, once it has deleted its tasks. Lines of text."""
        found = leftovers.processes([str(self.directory)]).items()
        problems = [f"process {pid}: {text}" for pid, text in found if pid != self.server.process.pid]
        problems += [f"mount {path}" for path in leftovers.mounts([str(self.directory)])]
        # The directory above a namespace's cgroups stays, as with runc.
        problems += [f"cgroup {path}" for path in leftovers.cgroups([f"/{name}/" for name in self.namespaces])]
        problems += [f"bundle {path}" for path in self.bundles.glob("*/*")]
        problems += [f"temporary {path}" for path in self.directory.glob("containerd-mount*")]
        for namespace, id in self.shims:
            name = hashlib.sha256(f"{self.directory}/sock/{namespace}/{id}".encode()).hexdigest()
            problems += [f"file of the shim of {id}: {path}" for path in SOCKETS.glob(f"{name}*")]
        return problems

    def close(self):
        """Returns what was left behind; removes it."""
        for client in self.clients:
            client.close()
        try:
            eventually(lambda: not self.leftovers(), "nothing is left", timeout=5)
            problems = []
        except AssertionError:
            problems = self.leftovers()
        self.server.stop()
        if problems:
            self.server.sweep(*self.namespaces)
            daemon.remove_tree(self.directory)
        for namespace in self.namespaces:    # above the containers' cgroups, and empty
            for path in machine.CGROUP.glob(f"*/{namespace}"):
                path.rmdir()
        shutil.rmtree(self.directory, ignore_errors=True)
        return problems if self.is_davit else []


def davitd_path():
    given = os.environ.get("DAVITD") or DEFAULT_DAVITD
    return pathlib.Path(shutil.which("containerd") or "containerd") if given == "containerd" else pathlib.Path(given).absolute()


def program_path(davitd):
    """A PATH for davitd's companions: in the build tree each program has a directory of its own."""
    return ":".join(str(found.parent) for found in sorted(pathlib.Path(davitd).parents[1].glob("*/*")) if found.name == found.parent.name)


def fault_points(part=""):
    """The names of all fault points, or of those of a part; none, if it was built without or is somebody else's."""
    path = davitd_path()
    if not os.access(path, os.X_OK) or path.name == "containerd":
        return []
    names = subprocess.run([path, "--list-faults"], capture_output=True, text=True, check=True).stdout.split()
    return sorted(name for name in names if name.startswith(part))


def daemons(api, session_dir):
    if grpc_client.grpc is None:
        pytest.skip("no python3-grpcio on this machine (tools/setup test)")
    if not machine.is_root():
        pytest.skip("needs root")
    if not os.access(davitd_path(), os.X_OK):
        pytest.skip(f"no daemon at {davitd_path()} (make, or set DAVITD)")
    made, directories = [], []

    def make(*options, prepare=lambda directory: None):
        directories.append(session_dir / f"d{uuid.uuid4().hex[:10]}")
        directories[-1].mkdir()
        prepare(directories[-1])
        made.append(StoreDaemon(api, davitd_path(), directories[-1], *options))
        return made[-1]

    yield make
    problems = [problem for one in made for problem in one.close()]
    for directory in directories:    # of those that did not start
        if directory.exists():
            daemon.remove_tree(directory)
    assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture
def make_daemon(api, session_dir):
    """make_daemon(option, …): a daemon of this test, in daemon.directory. @prepare(directory) runs before it starts."""
    yield from daemons(api, session_dir)


@pytest.fixture
def store_daemon(make_daemon):
    return make_daemon()


@pytest.fixture(scope="module")
def one_store_daemon(api, session_dir):
    """One for all tests of a module."""
    for make in daemons(api, session_dir):
        yield make()


@pytest.fixture
def client(store_daemon):
    return store_daemon.client()
