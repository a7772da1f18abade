# SPDX-License-Identifier: Apache-2.0
"""Attacks by exchanging names while the runtime works on them. Bounded: so many tries, then it held."""

import os
import subprocess

import pytest

from harness.swapper import Swapper
from harness.terminal import FdSocket
from test_security_paths import SECRET, controlled_dev, outside    # noqa: F401 (outside is a fixture)

TRIES = int(os.environ.get("DAVIT_E2E_RACES", "15"))


@pytest.fixture
def volume(box, outside, work):    # noqa: F811
    """A container and a shared volume /vol in which `target` is a directory or a link out, in turns."""
    c = box("true")
    c.bundle.config["root"]["readonly"] = False
    path = work / "volume"
    (path / "target").mkdir(parents=True)
    (path / "evil").symlink_to(outside)
    c.bundle.add_mount("/vol", "bind", path, ["rbind"])
    return c, path


def recorded_mounts(c):
    """A createContainer hook writes the container's mounts down before the pivot, with the host's paths."""
    log = c.bundle.path / "mountinfo"
    c.bundle.config["hooks"] = {"createContainer": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"cat /proc/self/mountinfo >>{log}"]}]}
    return log


def check_mounts(log, outside):    # noqa: F811
    if log.exists():
        assert not [line for line in log.read_text().splitlines() if line.split()[4].startswith(str(outside))]


def test_mount_target(volume, outside):    # noqa: F811
    """CVE-2021-30465"""
    c, path = volume
    c.bundle.add_mount("/vol/target", "tmpfs", "tmpfs", ["size=4242k"])
    c.bundle.add_mount("/vol/target/below", "tmpfs", "tmpfs", ["size=4343k"])
    c.bundle.sh("cat /vol/target/file /vol/evil/file; true")
    log = recorded_mounts(c)
    with Swapper(path / "target", path / "evil"):
        for _ in range(TRIES):
            assert SECRET not in c.run(status=None).out
    check_mounts(log, outside)


def test_directories_that_are_made(volume, outside):    # noqa: F811
    """CVE-2024-45310"""
    c, path = volume
    for i in range(5):
        c.bundle.add_mount(f"/vol/target/a{i}/b/c", "tmpfs", "tmpfs")
        c.bundle.add_mount(f"/vol/target/f{i}/file", "bind", "/etc/hostname", ["bind"])
    log = recorded_mounts(c)
    with Swapper(path / "target", path / "evil"):
        for _ in range(TRIES):
            c.run(status=None)
    check_mounts(log, outside)


def test_masked_paths(volume, outside):    # noqa: F811
    c, path = volume
    (path / "target/file").write_text("inside\n")
    c.bundle.linux["maskedPaths"] = ["/vol/target/file", "/vol/target/sub"]
    c.bundle.linux["readonlyPaths"] = ["/vol/target"]
    log = recorded_mounts(c)
    with Swapper(path / "target", path / "evil"):
        for _ in range(TRIES):
            c.run(status=None)
    check_mounts(log, outside)


def test_working_directory(volume, outside):    # noqa: F811
    c, path = volume
    c.bundle.process["cwd"] = "/vol/target/new/dir"
    c.bundle.sh("cat ../../file; true")
    with Swapper(path / "target", path / "evil"):
        for _ in range(TRIES):
            assert SECRET not in c.run(status=None).out


def test_devices(volume, outside):    # noqa: F811
    """CVE-2026-41579"""
    c, path = volume
    c.bundle.linux["devices"] = [{"path": f"/vol/target/d{i}", "type": "c", "major": 1, "minor": 5} for i in range(5)]
    with Swapper(path / "target", path / "evil"):
        for _ in range(TRIES):
            c.run(status=None)


def test_null_device(box, outside):    # noqa: F811
    """CVE-2025-31133"""
    c = box(script="cat /mnt/*; for i in /mnt/*; do echo x >$i; done; grep ' /mnt/' /proc/self/mountinfo")
    source = controlled_dev(c)
    os.symlink("/etc/passwd", source / "evil")
    for i in range(10):
        (c.bundle.rootfs / f"mnt/m{i}").write_text("masked\n")
    c.bundle.linux["maskedPaths"] = [f"/mnt/m{i}" for i in range(10)]
    passwd = (c.bundle.rootfs / "etc/passwd").read_text()
    with Swapper(source / "null", source / "evil"):
        for _ in range(TRIES):
            result = c.run(status=None)
            assert "root:" not in result.out and "masked" not in result.out
    assert (c.bundle.rootfs / "etc/passwd").read_text() == passwd


def test_console(box, outside, work):    # noqa: F811
    """CVE-2025-52565"""
    c = box(script="sleep 1000")
    source = controlled_dev(c)
    (source / "console").touch()
    os.symlink("/etc/passwd", source / "evil")
    c.bundle.process["terminal"] = True
    c.bundle.save()
    null = subprocess.DEVNULL
    with Swapper(source / "console", source / "evil"):
        for i in range(TRIES):
            console = FdSocket(work / f"console{i}")
            done = subprocess.run(c.runtime.command("create", "--bundle", c.bundle.path, "--console-socket", console.path, c.id),
                                  stdin=null, stdout=null, stderr=null, timeout=60)
            if done.returncode == 0:
                master, _ = console.receive()
                assert " /etc/passwd " not in open(f"/proc/{c.pid}/mountinfo").read()
                os.close(master)
            c.runtime("delete", "--force", c.id)
            console.close()
