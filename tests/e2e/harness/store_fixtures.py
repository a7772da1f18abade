# SPDX-License-Identifier: Apache-2.0
"""A daemon with containerd's API for the tests of the stores: DAVITD names davitd, or is "containerd" for Debian's."""

import os
import pathlib
import shutil
import uuid

import pytest

from . import daemon, grpc_client, machine
from .containerd import CONFIG

TOP = pathlib.Path(__file__).resolve().parents[3]
DEFAULT_DAVITD = TOP / "build/src/cmd/davitd/davitd"


class StoreDaemon:
    def __init__(self, api, program, directory):
        self.api, self.directory, self.clients = api, directory, []
        self.is_davit = pathlib.Path(program).name != "containerd"
        if self.is_davit:
            options = ["--root", directory / "root", "--state", directory / "state", "--address", directory / "sock"]
        else:
            (directory / "config.toml").write_text(CONFIG.format(directory=directory))
            options = ["--config", directory / "config.toml"]
        self.server = daemon.Daemon(pathlib.Path(program).name, [str(program), *map(str, options)], directory, self.answers,
                                    path=program_path(program))

    @property
    def root(self):
        return self.directory / "root"

    def answers(self):
        probe = grpc_client.Client(self.api, self.directory / "sock")
        try:
            return probe.version.Version(timeout=2).version != ""
        except grpc_client.grpc.RpcError:
            return False
        finally:
            probe.close()

    def client(self, namespace=None):
        self.clients.append(grpc_client.Client(self.api, self.directory / "sock", namespace or f"ns-{uuid.uuid4().hex[:8]}"))
        return self.clients[-1]

    def crash(self):
        """Killed, and started again."""
        self.server.kill()
        self.server.start()

    def close(self):
        for client in self.clients:
            client.close()
        self.server.stop()
        self.server.sweep()
        daemon.remove_tree(self.directory)


def davitd_path():
    given = os.environ.get("DAVITD") or DEFAULT_DAVITD
    return pathlib.Path(shutil.which("containerd") or "containerd") if given == "containerd" else pathlib.Path(given).absolute()


def program_path(davitd):
    """A PATH for davitd's companions: in the build tree each program has a directory of its own."""
    return ":".join(str(found.parent) for found in sorted(pathlib.Path(davitd).parents[1].glob("*/*")) if found.name == found.parent.name)


def make_daemon(api, session_dir):
    if grpc_client.grpc is None:
        pytest.skip("no python3-grpcio on this machine (tools/setup test)")
    if not machine.is_root():
        pytest.skip("needs root")
    if not os.access(davitd_path(), os.X_OK):
        pytest.skip(f"no daemon at {davitd_path()} (make, or set DAVITD)")
    directory = session_dir / f"d{uuid.uuid4().hex[:10]}"
    directory.mkdir()
    return StoreDaemon(api, davitd_path(), directory)


@pytest.fixture
def store_daemon(api, session_dir):
    found = make_daemon(api, session_dir)
    yield found
    found.close()


@pytest.fixture(scope="module")
def one_store_daemon(api, session_dir):
    """One for all tests of a module."""
    found = make_daemon(api, session_dir)
    yield found
    found.close()


@pytest.fixture
def client(store_daemon):
    return store_daemon.client()
