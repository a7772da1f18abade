# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the runtime under test (environment DAVIT_OCI), a root filesystem, and containers.

Every test gets a --root and a directory of its own. Afterwards, whether it passed or not, all its
containers are deleted by force, and nothing may be left: no process, mount, cgroup or state.
"""

import os
import pathlib
import platform
import shutil
import signal
import subprocess
import tempfile
import uuid

import pytest

from harness import leftovers, machine, rootfs, runtime
from harness.wait import SLOWNESS

pytest_plugins = ["harness.shim_fixtures", "harness.shim_place", "harness.store_fixtures", "harness.registry_fixtures"]
TOP = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_BINARY = TOP / "build/src/cmd/davit-oci/davit-oci"
TEST_LIMIT, STRESS_LIMIT = 60, 1800
HELPERS = ["probe", "watch"] + (["fault"] if platform.machine() == "x86_64" else [])


@pytest.fixture(scope="session")
def binary():
    path = pathlib.Path(os.environ.get("DAVIT_OCI") or DEFAULT_BINARY).absolute()
    if not os.access(path, os.X_OK):
        pytest.exit(f"no runtime at {path} (make, or set DAVIT_OCI)", 2)
    return path


@pytest.fixture(scope="session")
def session_dir():
    """Short, because socket paths are, and open to other users, because containers have some."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="davit-e2e-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def rootfs_template(session_dir):
    path = session_dir / "template"
    rootfs.make(path)
    return path


@pytest.fixture
def work(session_dir, request):
    """This test's directory; its name marks everything that belongs to the test."""
    path = session_dir / f"t{uuid.uuid4().hex[:10]}"
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def oci(binary, work):
    """The runtime; checks afterwards that nothing is left of this test."""
    rt = runtime.Runtime(binary, work / "state")
    marks = [work.name]
    yield rt
    problems = []
    if rt.root.exists():
        for entry in sorted(rt.root.iterdir()):
            if entry.name.startswith(work.name):
                done = rt("delete", "--force", entry.name, status=None)
                if done.status:
                    problems.append(f"delete --force fails: {done}")
                if entry.exists():
                    problems.append(f"state {entry}")
    try:
        leftovers.eventually(lambda: not leftovers.find(marks), "nothing is left", timeout=2)
    except AssertionError:
        problems += leftovers.find(marks)
    leftovers.sweep(marks)
    assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture
def box(oci, work):
    """box("true") is a new container that runs that; see harness/runtime.py."""
    if not machine.is_root():
        pytest.skip("needs root")
    return runtime.Maker(oci, work, f"{work.name}-")


@pytest.fixture(autouse=True)
def time_limit(request):
    """A test that hangs must fail and not stop the run."""
    def on_alarm(*_):
        raise TimeoutError(f"{request.node.nodeid} takes too long")
    old = signal.signal(signal.SIGALRM, on_alarm)
    limit = STRESS_LIMIT if request.node.get_closest_marker("stress") else TEST_LIMIT
    signal.alarm(int(limit * SLOWNESS))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def pytest_collection_modifyitems(config, items):
    name = os.path.basename(os.environ.get("DAVIT_OCI", ""))
    if not any(other in name for other in ("runc", "crun", "youki")):
        return
    for item in items:
        if item.get_closest_marker("davit"):
            item.add_marker(pytest.mark.skip(reason=f"Davit's own behaviour; this is {name}"))


def pytest_report_header(config):
    return f"runtime: {os.environ.get('DAVIT_OCI') or DEFAULT_BINARY}, cgroups: {machine.cgroup_mode()}, " \
           f"kernel: {os.uname().release}, uid: {os.geteuid()}"


@pytest.fixture(scope="session")
def helper_dir(session_dir):
    """tests/e2e/*.c, compiled; DAVIT_E2E_HELPERS is a directory where that has been done."""
    given = os.environ.get("DAVIT_E2E_HELPERS")
    if given:
        return pathlib.Path(given)
    machine.need_program("cc")
    for name in HELPERS:
        subprocess.run(["cc", "-static", "-O", "-D_GNU_SOURCE", "-o", str(session_dir / name), str(TOP / f"tests/e2e/{name}.c")], check=True)
    return session_dir


@pytest.fixture
def helper(helper_dir):
    """helper(container, "probe") puts that program into its /bin."""
    def install(c, name):
        (c.bundle.rootfs / "bin" / name).unlink(missing_ok=True)    # busybox may have that name, too
        shutil.copy(helper_dir / name, c.bundle.rootfs / "bin" / name)
    return install


@pytest.fixture
def probe(helper):
    return lambda c: helper(c, "probe")
