# SPDX-License-Identifier: Apache-2.0
"""A shim that runs out of descriptors, or loses its bundle, in the middle of each step."""

import contextlib
import resource
import shutil
import signal

import pytest

from harness.shim import descriptors
from harness.wait import eventually

pytestmark = pytest.mark.davit_shim


@contextlib.contextmanager
def few_descriptors(pid, n):
    """The process can have @n more than it has now."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    free = (fd for fd in range(1 << 16) if fd not in descriptors(pid))
    for _ in range(n):
        next(free)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(free), limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def outcome(c, method, **fields):
    return c.rpc.outcome(c.send(method, **fields))[0]


@pytest.mark.parametrize("terminal", (False, True), ids=("fifos", "terminal"))
def test_exec_without_descriptors(shim, terminal):
    c = shim.sleeper().up()
    before, worked = None, []
    for n in range(24):
        io = c.fifos(stdin=True, stderr=not terminal)
        c.add_exec(f"e{n}", "true", io=io, terminal=terminal)
        with few_descriptors(c.shim_pid, n):
            worked.append(outcome(c, "Start", exec_id=f"e{n}") == "OK")
        c("Wait", exec_id=f"e{n}")
        c("Delete", exec_id=f"e{n}")
        before = before or descriptors(c.shim_pid)
        eventually(lambda: len(descriptors(c.shim_pid)) <= len(before), "the shim has no more descriptors than before")
    assert not worked[0] and worked[-1], worked
    assert not [p.name for p in c.bundle.path.iterdir() if p.name.startswith(("exec-", "console-"))]
    assert outcome(c, "Pids") == "OK"


def test_create_without_descriptors(shim):
    """What was created only in part is taken back; the id is free again."""
    pod = shim.sleeper().up()
    worked = []
    for n in range(32):
        c = shim.sleeper(group=pod)
        c.launch()
        assert c.shim_pid == pod.shim_pid
        with few_descriptors(pod.shim_pid, n):
            worked.append(outcome(c, "Create", **c.create_fields()) == "OK")
        if not worked[-1]:
            c.create()
        c.kill(signal.SIGKILL)
        c("Wait")
        c.delete()
    assert not worked[0] and worked[-1], worked


def test_bundle_disappears(shim):
    """Somebody has removed it: the container is ended and deleted all the same."""
    c = shim.sleeper().up()
    shutil.move(c.bundle.path, shim.work / "moved")
    c.kill(signal.SIGKILL)
    assert c("Wait").exit_status == 128 + signal.SIGKILL
    c.delete()
