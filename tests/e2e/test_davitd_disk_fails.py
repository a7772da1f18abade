# SPDX-License-Identifier: Apache-2.0
"""A disk that fails under davitd while a container runs. (test_davitd_fault_points.py kills it at every point.)"""

import json
import subprocess
import uuid

import pytest

from harness import image
from harness.daemon import need
from harness.wait import eventually

pytestmark = pytest.mark.davit
DAVIT = "io.containerd.davit.v2"


class Load:
    """What a user does, over and over; each step may fail while the daemon is down."""

    def __init__(self, store_daemon, archive):
        self.daemon, self.archive, self.namespace = store_daemon, archive, f"chaos-{uuid.uuid4().hex[:8]}"

    def ctr(self, *args, check=False):
        done = subprocess.run(["ctr", "--address", str(self.daemon.directory / "sock"), "--connect-timeout", "2s", "--namespace", self.namespace, *map(str, args)],
                              capture_output=True, text=True, timeout=60, env=self.daemon.server.environment, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"ctr {args}: {done.stderr}\n{self.daemon.server.log.read_text()[-2000:]}"
        return done

    def once(self, check=False):
        self.ctr("images", "import", self.archive, check=check)
        done = self.ctr("run", "--rm", "--runtime", DAVIT, image.NAME, "once", "echo", "fine", check=check)
        assert not check or done.stdout == "fine\n"
        self.ctr("images", "rm", "--sync", image.NAME, check=check)

    def rows(self, *args):
        return [line.split() for line in self.ctr(*args, check=True).stdout.splitlines()[1:]]


@pytest.fixture
def load(store_daemon, rootfs_template):
    need("ctr")
    found = Load(store_daemon, image.write_archive(rootfs_template, store_daemon.directory / "image.tar"))
    yield found
    for row in found.rows("tasks", "ls"):
        found.ctr("tasks", "rm", "--force", row[0])


def is_whole(load):
    """Nothing is half there, and everything can be done again."""
    server = load.daemon.server
    state = load.daemon.directory / "state/io.containerd.runtime.v2.task" / load.namespace
    eventually(lambda: {path.name for path in state.iterdir()} == {row[0] for row in load.rows("tasks", "ls")} if state.exists() else True,
               "each bundle is a task's")
    assert [row[0] for row in load.rows("tasks", "ls") if row[2] == "RUNNING"].count("stays") == 1, server.log.read_text()[-2000:]
    assert load.ctr("tasks", "exec", "--exec-id", "e", "stays", "echo", "alive", check=True).stdout == "alive\n"
    # What a client that was cut off leaves, it may remove.
    load.ctr("tasks", "rm", "--force", "once")
    load.ctr("containers", "rm", "once")
    load.ctr("snapshots", "rm", "once")
    load.once(check=True)
    # An image that is listed can be read and used, its content is all there.
    for row in load.rows("images", "ls"):
        assert "complete" in load.ctr("images", "check", f"name=={row[0]}", check=True).stdout


def arm(load, text):
    """Restarts it so. False: it did not get through its start, which is as good a place as others."""
    server = load.daemon.server
    server.environment["DAVIT_FAULT"] = text
    server.kill()
    try:
        server.start()
    except pytest.skip.Exception:
        return False
    return True


def disarm(load):
    server = load.daemon.server
    server.environment.pop("DAVIT_FAULT", None)
    server.kill()
    server.start()


KEPT = "davit.test/kept:1"


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("point", ["meta.commit.sync", "meta.commit.sync:7", "content.commit.data-synced"])
def test_step_fails(load, point, error):
    """Disk full, disk broken: whoever asked is told, and the daemon lives on."""
    load.ctr("images", "import", load.archive, check=True)
    load.ctr("images", "tag", image.NAME, KEPT, check=True)
    load.ctr("run", "-d", "--runtime", DAVIT, KEPT, "stays", "sleep", "10000", check=True)
    load.ctr("images", "rm", "--sync", image.NAME, check=True)
    if arm(load, f"{point}={error}"):
        load.once()
        assert load.daemon.server.process.poll() is None
    disarm(load)
    is_whole(load)
    info = json.loads(load.ctr("containers", "info", "stays", check=True).stdout)
    assert info["Image"] == KEPT and KEPT in {row[0] for row in load.rows("images", "ls")}
    load.ctr("tasks", "kill", "-s", "SIGKILL", "stays", check=True)
    eventually(lambda: ["STOPPED"] == [row[2] for row in load.rows("tasks", "ls")], "its end is seen")
