# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the runtime at any moment: what is left can be seen, and delete --force clears it away."""

import os
import random
import signal
import time

import pytest

from harness import leftovers
from harness.wait import eventually

# Fractions of the time that an undisturbed command takes.
MOMENTS = [i / 12 for i in range(13)]


def duration(c, *args):
    start = time.monotonic()
    c.runtime(*args)
    return time.monotonic() - start


def kill_after(c, seconds, *args):
    null = open("/dev/null", "r+")
    process = c.runtime.popen(*args, stdin=null, stdout=null, stderr=null)
    time.sleep(seconds)    # the moment is the point of the test
    process.kill()
    process.wait()
    null.close()


def gone(c, work):
    c.runtime("delete", "--force", c.id)
    eventually(lambda: not leftovers.find([work.name]), "everything is gone")
    c.runtime.fails("state", c.id)


@pytest.fixture
def slow(box):
    """A container whose creation takes a while, so that there are moments to hit."""
    c = box("sleep", "1000")
    for i in range(20):
        (c.bundle.rootfs / f"mnt/{i}").mkdir()
        c.bundle.add_mount(f"/mnt/{i}", "tmpfs", "tmpfs")
    c.bundle.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", "sleep 0.02"]}]
                                for kind in ("createRuntime", "createContainer", "startContainer", "poststop")}
    c.bundle.save()
    return c


@pytest.mark.davit    # runc leaves cgroups behind
@pytest.mark.parametrize("moment", MOMENTS)
def test_create(slow, work, moment):
    create = ("create", "--bundle", slow.bundle.path, slow.id)
    null = open("/dev/null", "r+")
    start = time.monotonic()
    slow.runtime.popen(*create, stdin=null, stdout=null, stderr=null).wait(60)
    whole = time.monotonic() - start
    slow.delete("--force")
    kill_after(slow, whole * moment, *create)
    gone(slow, work)
    slow.up().delete("--force")


@pytest.mark.davit    # runc leaves cgroups behind
@pytest.mark.parametrize("moment", MOMENTS[::2])
def test_run(slow, work, moment):
    kill_after(slow, 0.3 * moment, "run", "--bundle", slow.bundle.path, slow.id)
    gone(slow, work)
    slow.up().delete("--force")


@pytest.mark.parametrize("moment", MOMENTS[::3])
def test_start(slow, work, moment):
    slow.create()
    kill_after(slow, 0.1 * moment, "start", slow.id)
    assert slow.status in ("created", "running", "stopped")
    gone(slow, work)


@pytest.mark.parametrize("moment", MOMENTS[::2])
def test_delete(slow, work, moment):
    slow.up()
    kill_after(slow, 0.1 * moment, "delete", "--force", slow.id)
    gone(slow, work)
    slow.up().delete("--force")


@pytest.mark.parametrize("moment", MOMENTS[::3])
def test_exec(box, moment):
    c = box.running()
    for _ in range(3):
        kill_after(c, 0.03 * moment * random.random(), "exec", c.id, "true")
    assert c.exec("echo", "still").out == "still\n"
    eventually(lambda: len(c.runtime("ps", c.id, "-o", "pid,comm").out.splitlines()) <= 3, "no half-made process is left")


@pytest.mark.parametrize("verb", ["pause", "resume", "update"])
def test_other_commands(box, verb):
    c = box.running()
    if verb == "resume":
        c.runtime("pause", c.id)
    args = ["update", "--pids-limit", "50", c.id] if verb == "update" else [verb, c.id]
    for i in range(5):
        kill_after(c, 0.001 * i, *args)
    c.runtime("resume", c.id, status=None)
    assert c.status == "running"


def test_init_is_killed_while_it_is_made(slow, work):
    """Not the runtime dies but the process that is to become the container."""
    null = open("/dev/null", "r+")
    process = slow.runtime.popen("create", "--bundle", slow.bundle.path, slow.id, stdin=null, stdout=null)
    mine = eventually(lambda: [p for p in leftovers.processes([slow.id]) if p != process.pid], "its child")
    for pid in mine:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    _, error = process.communicate(timeout=60)
    if process.returncode:
        assert error.strip()
    gone(slow, work)


def test_machine_restart(box):
    """After a reboot the state directory may be there while nothing else is."""
    c = box("sleep", "1000").up()
    pid = c.pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not leftovers.is_alive(pid), "it is dead")
    for path in leftovers.cgroups([c.id]):
        os.rmdir(path)
    assert c.status == "stopped"
    c.delete()


@pytest.mark.davit
@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "missing"])
def test_damaged_state(box, work, damage):
    """A state file that cannot be read does not stop delete --force, list or other containers."""
    c, other = box("sleep", "1000").up(), box("sleep", "1000").up()
    c.kill("KILL")
    c.wait("stopped")
    for path in (c.runtime.root / c.id).iterdir():
        if not path.is_file():
            continue
        if damage == "missing":
            path.unlink()
        else:
            text = path.read_bytes()
            path.write_bytes({"empty": b"", "cut": text[:len(text) // 2], "garbage": b"\xff\0{" * 100}[damage])
    assert other.id in c.runtime("list", status=None).out
    c.runtime.fails("state", c.id)
    c.runtime("delete", "--force", c.id)
    assert not (c.runtime.root / c.id).exists()
    assert other.status == "running"
    for path in leftovers.cgroups([c.id]):    # where they were stood in the file that was lost
        os.rmdir(path)


def test_delete_while_create_is_at_work(box):
    """The creator loses, at any moment, and neither of them waits for the other."""
    for i in range(40):
        c = box("true")
        c.bundle.save()
        with open(os.devnull, "w") as null:
            create = c.runtime.popen("create", "--bundle", c.bundle.path, c.id, stdout=null, stderr=null)
            time.sleep(i * 0.0003)
            c.runtime("delete", "--force", c.id, timeout=8)
            create.wait(10)
        c.runtime("delete", "--force", c.id)
    # What must not be left is looked for by the fixture.
