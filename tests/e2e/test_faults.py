# SPDX-License-Identifier: Apache-2.0
"""The n-th system call fails: the command says so in one line or does its work all the same, and nothing half-done stays.

Every n is tried by `make faults` (DAVIT_E2E_FAULTS=all); else a sample, another one for each verb and process.
"""

import errno
import os
import platform
import signal
import subprocess
import zlib

import pytest

from harness import leftovers
from harness.wait import SLOWNESS, eventually

STRIDE = 1 if os.environ.get("DAVIT_E2E_FAULTS") == "all" else 12
pytestmark = [pytest.mark.davit, pytest.mark.skipif(platform.machine() != "x86_64", reason="fault.c is for x86-64")]


class Faults:
    """Runs commands with a fault in them, and judges what is left."""

    def __init__(self, helper_dir, c, work):
        self.program, self.c, self.work = str(helper_dir / "fault"), c, work

    def run(self, process, number, *args):
        """(the failed call or "", exit status, what it said)"""
        read, write = os.pipe()
        with open(self.work / "out", "w+") as out:
            command = [self.program, str(write), str(process), str(number), str(errno.EIO), *self.c.runtime.command(*args)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=[write], timeout=30 * SLOWNESS)
            out.seek(0)
            said = out.read()
        os.close(write)
        with os.fdopen(read) as report:
            call = report.read()
        assert done.returncode != 99, "the tracer is in trouble"
        return call, done.returncode, said

    def sweep(self, process, *args):
        """Each fault in turn, until one is not reached: (where, exit status, what it said)"""
        if STRIDE == 1:
            signal.alarm(0)
        number = 1 + zlib.crc32(f"{args[0]} {process}".encode()) % STRIDE
        while True:
            call, status, said = self.run(process, number, *args)
            if not call:
                assert status == 0, said
                return
            where = f"{args[0]}, process {process}, call {number} (system call {call}): status {status}, {said!r}"
            assert status in (0, 1, 255), where
            # From the runtime, or, when there is only the container left to tell, on its stderr.
            errors = [line for line in said.splitlines() if "level=error" in line or line.startswith("exec ")]
            assert len(errors) == (status != 0), where
            yield where, status, said
            number += STRIDE

    def nothing_left(self, where):
        entries = [e for e in os.listdir(self.c.runtime.root) if not e.startswith("@")] if self.c.runtime.root.exists() else []
        assert not entries, where
        marks = [self.c.id]
        if leftovers.find(marks):    # what was killed may still be dying
            try:
                eventually(lambda: not leftovers.find(marks), where, timeout=2)
            except AssertionError:
                pytest.fail(f"{where}\nleft behind: {leftovers.find(marks)}")

    def clear(self, where):
        self.c.runtime("delete", "--force", self.c.id)
        self.nothing_left(where)


@pytest.fixture
def faults(box, helper_dir, work):
    c = box("echo", "it ran")
    c.bundle.save()
    return Faults(helper_dir, c, work)


@pytest.mark.parametrize("process", [0, 1])
def test_create(faults, process):
    c = faults.c
    for where, status, said in faults.sweep(process, "create", "--bundle", c.bundle.path, c.id):
        if status != 0:
            faults.nothing_left(where)
            continue
        # The child's very last call is that which waits in the fifo: without it, it has died since.
        if c.start(status=None).status != 0:
            assert process == 1, where
            c.wait("stopped")
        faults.clear(where)
    faults.clear("no fault")


@pytest.mark.parametrize("process", [0, 1])
def test_run(faults, process):
    """What cannot be removed after the container's end stays for delete."""
    c = faults.c
    for where, status, said in faults.sweep(process, "run", "--bundle", c.bundle.path, c.id):
        assert status != 0 or "it ran" in said, where
        if "it ran" in said and "level=" in said:
            faults.clear(where)
        faults.nothing_left(where)


@pytest.mark.parametrize("process", [0, 1])
def test_exec(faults, box, process):
    c = faults.c = box("sleep", "1000").up()
    for where, status, said in faults.sweep(process, "exec", c.id, "echo", "it ran"):
        assert status != 0 or "it ran" in said, where
        eventually(lambda: len(leftovers.processes([c.id])) == 1, where)
        assert c.status == "running", where


def test_start(faults):
    c = faults.c
    c.create()
    for where, status, said in faults.sweep(0, "start", c.id):
        if status == 0:
            c.wait("stopped")
        assert c.status in ("created", "running", "stopped"), where
        faults.clear(where)
        c.create()


def test_delete(faults):
    """It can be repeated until there is nothing."""
    c = faults.c
    c.create()
    for where, status, said in faults.sweep(0, "delete", "--force", c.id):
        if status != 0:
            faults.clear(where)
        faults.nothing_left(where)
        c.create()


@pytest.mark.parametrize("args", [["state"], ["kill", "0"], ["pause"], ["resume"], ["ps"], ["update", "--pids-limit", "50"]])
def test_others(faults, box, args):
    c = faults.c = box("sleep", "1000").up()
    verb, *rest = args
    if verb == "resume":
        c.runtime("pause", c.id)
    command = [verb, *rest, c.id] if verb == "update" else [verb, c.id, *rest]
    for where, status, said in faults.sweep(0, *command):
        assert c.status == ("paused" if verb == "resume" and status or verb == "pause" and not status else "running"), where
        if verb in ("pause", "resume"):
            c.runtime("pause" if verb == "resume" else "resume", c.id, status=None)
