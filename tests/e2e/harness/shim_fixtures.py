# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the shim's tests; conftest.py names this module as a plugin."""

import os
import pathlib

import pytest

from . import attach, machine, ttrpc
from .shim import Shims
from .shim_daemon import FakeDaemon

TOP = pathlib.Path(__file__).resolve().parents[3]
DEFAULT_SHIM = TOP / "build/src/cmd/containerd-shim-davit-v2/containerd-shim-davit-v2"


def shim_path():
    return pathlib.Path(os.environ.get("DAVIT_SHIM") or DEFAULT_SHIM).absolute()


def is_davits():
    return "davit" in shim_path().name


@pytest.fixture(scope="session")
def shim_binary():
    if not machine.is_root():
        pytest.skip("needs root")
    if not os.access(shim_path(), os.X_OK):
        pytest.skip(f"no shim at {shim_path()} (make, or set DAVIT_SHIM)")
    return shim_path()


@pytest.fixture(scope="session")
def api(session_dir):
    machine.need_program("protoc")
    if ttrpc.descriptor_pb2 is None:
        pytest.skip("no python3-protobuf on this machine (tools/setup test)")
    return ttrpc.Api.compile(TOP / "api", session_dir)


@pytest.fixture
def fake_daemon(api, work):
    server = FakeDaemon(api, work)
    yield server
    server.close()


@pytest.fixture
def shim(shim_binary, api, oci, work, fake_daemon):
    shims = Shims(shim_binary, api, fake_daemon, oci, work)
    yield shims
    problems = shims.finish()
    assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture
def clients():
    """clients(container): somebody who is attached to it."""
    made = []

    def make(c, **how):
        made.append(attach.Client(c.bundle.path, **how))
        return made[-1]
    yield make
    for client in made:
        client.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "davit_shim: behaviour of Davit's shim alone; skipped when DAVIT_SHIM is another")
    config.addinivalue_line("markers", "stress: takes minutes; make test-shim-stress, test-davitd-chaos")


def pytest_collection_modifyitems(config, items):
    is_stress = bool(os.environ.get("DAVIT_STRESS"))
    for item in items:
        if item.get_closest_marker("davit_shim") and not is_davits():
            item.add_marker(pytest.mark.skip(reason=f"Davit's own behaviour; this is {shim_path().name}"))
        if item.get_closest_marker("stress") and not is_stress:
            item.add_marker(pytest.mark.skip(reason="make test-shim-stress, test-davitd-chaos"))
