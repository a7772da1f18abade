# SPDX-License-Identifier: Apache-2.0
"""The eight namespaces: new, joined by path, not used; time offsets; host names; network devices."""

import os
import subprocess
import time

import pytest

from harness import machine

KINDS = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup", "time": "time"}


def inside(c, name):
    return c.sh(f"readlink /proc/self/ns/{name}").out.strip()


def outside(name, pid="self"):
    return os.readlink(f"/proc/{pid}/ns/{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_new(box, kind):
    machine.need_namespace(KINDS[kind])
    c = box("readlink", f"/proc/self/ns/{KINDS[kind]}")
    c.bundle.set_namespace(kind)
    assert c.run().out.strip() not in ("", outside(KINDS[kind]))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "mount"])
def test_not_used(box, kind):
    machine.need_namespace(KINDS[kind])
    c = box("readlink", f"/proc/self/ns/{KINDS[kind]}")
    c.bundle.drop_namespace(kind)
    if kind == "uts":
        c.bundle.config.pop("hostname")
    assert c.run().out.strip() == outside(KINDS[kind])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "mount"])
def test_joined_by_path(box, kind):
    machine.need_namespace(KINDS[kind])
    first = box("sleep", "1000")
    first.bundle.set_namespace(kind)
    first.up()
    second = box("sleep", "1000")
    second.bundle.set_namespace(kind, f"/proc/{first.pid}/ns/{KINDS[kind]}")
    if kind == "uts":
        second.bundle.config.pop("hostname")
    second.up()
    assert inside(second, KINDS[kind]) == inside(first, KINDS[kind]) != outside(KINDS[kind])
    first.delete("--force")


def test_joined_pid_namespace_sees_the_others(box):
    first = box("sleep", "1234")
    first.up()
    second = box("ps", "-o", "args")
    second.bundle.set_namespace("pid", f"/proc/{first.pid}/ns/pid")
    assert "sleep 1234" in second.run().out


def test_joined_by_a_bound_file(box, work):
    path = work / "netns"
    path.touch()
    subprocess.run(["unshare", "--net", "mount", "--bind", "/proc/self/ns/net", str(path)], check=True)
    try:
        c = box("readlink", "/proc/self/ns/net")
        c.bundle.set_namespace("network", path)
        assert c.run().out.strip() == f"net:[{path.stat().st_ino}]"
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_every_namespace_joined_at_once(box):
    first = box("sleep", "1000")
    first.up()
    second = box("sleep", "1000")
    for kind in ("pid", "network", "ipc", "uts"):
        second.bundle.set_namespace(kind, f"/proc/{first.pid}/ns/{KINDS[kind]}")
    second.bundle.config.pop("hostname")
    second.up()
    for kind in ("pid", "network", "ipc", "uts"):
        assert inside(second, KINDS[kind]) == inside(first, KINDS[kind])
    assert inside(second, "mnt") != inside(first, "mnt")


def test_path_that_does_not_exist(box):
    c = box("true")
    c.bundle.set_namespace("network", "/nonexistent/netns")
    assert "/nonexistent/netns" in c.fails().err


@pytest.mark.davit    # runc joins whatever it is
def test_path_of_another_kind(box):
    c = box("true")
    c.bundle.set_namespace("network", "/proc/self/ns/ipc")
    assert "network" in c.fails().err


def test_path_that_is_no_namespace(box):
    c = box("true")
    c.bundle.set_namespace("network", "/etc/passwd")
    c.fails()


def test_named_twice(box):
    c = box("true")
    c.bundle.linux["namespaces"].append({"type": "pid"})
    assert "pid" in c.fails().err


def test_unknown_kind(box):
    c = box("true")
    c.bundle.linux["namespaces"].append({"type": "fantasy"})
    assert "fantasy" in c.fails().err


def test_init_is_pid_1(box):
    assert box(script="echo $$").run().out == "1\n"


def test_shared_pid_namespace(box):
    c = box(script="echo $$")
    c.bundle.drop_namespace("pid")
    assert int(c.run().out) > 1


def test_loopback_is_up(box):
    out = box("ip", "addr", "show", "lo").run().out
    assert "LOOPBACK,UP" in out and "127.0.0.1/8" in out


def test_new_network_has_nothing_else(box):
    names = box("ls", "/sys/class/net").run().out.split()
    assert "lo" in names and "eth0" not in names


def test_host_name(box):
    c = box("hostname")
    c.bundle.config["hostname"] = "boat-7"
    assert c.run().out == "boat-7\n"
    assert os.uname().nodename != "boat-7"


def test_domain_name(box):
    c = box("cat", "/proc/sys/kernel/domainname")
    c.bundle.config["domainname"] = "harbour"
    assert c.run().out == "harbour\n"


@pytest.mark.parametrize("key", ["hostname", "domainname"])
def test_name_without_a_uts_namespace(box, key):
    c = box("true")
    c.bundle.drop_namespace("uts")
    c.bundle.config.pop("hostname")
    c.bundle.config[key] = "boat"
    error = c.fails().err
    assert "uts" in error.lower()


OFFSETS = {"monotonic": {"secs": 7881, "nanosecs": 2718281}, "boottime": {"secs": 1337, "nanosecs": 3141519}}


def offsets(result):
    return {line.split()[0]: tuple(map(int, line.split()[1:])) for line in result.out.splitlines()}


def test_time_offsets(box):
    machine.need_namespace("time")
    c = box("cat", "/proc/self/timens_offsets")
    c.bundle.set_namespace("time")
    c.bundle.linux["timeOffsets"] = OFFSETS
    assert offsets(c.run()) == {"monotonic": (7881, 2718281), "boottime": (1337, 3141519)}


def test_time_offsets_are_felt(box):
    machine.need_namespace("time")
    c = box("cat", "/proc/uptime")
    c.bundle.set_namespace("time")
    c.bundle.linux["timeOffsets"] = {"boottime": {"secs": 10_000_000}}
    assert float(c.run().out.split()[0]) > time.clock_gettime(time.CLOCK_BOOTTIME) + 9_000_000


def test_time_namespace_without_offsets(box):
    machine.need_namespace("time")
    c = box("cat", "/proc/self/timens_offsets")
    c.bundle.set_namespace("time")
    assert offsets(c.run()) == {"monotonic": (0, 0), "boottime": (0, 0)}


def test_time_offsets_in_exec(box):
    machine.need_namespace("time")
    c = box("sleep", "1000")
    c.bundle.set_namespace("time")
    c.bundle.linux["timeOffsets"] = OFFSETS
    c.up()
    assert offsets(c.exec("cat", "/proc/self/timens_offsets"))["monotonic"] == (7881, 2718281)


def test_time_offsets_with_a_user_namespace(box):
    machine.need_namespace("time")
    machine.need_userns()
    c = box("cat", "/proc/self/timens_offsets")
    c.bundle.user_namespace()
    c.bundle.set_namespace("time")
    c.bundle.linux["timeOffsets"] = OFFSETS
    assert offsets(c.run())["boottime"] == (1337, 3141519)


def test_time_offsets_without_the_namespace(box):
    c = box("true")
    c.bundle.linux["timeOffsets"] = OFFSETS
    assert "time" in c.fails().err.lower()


@pytest.fixture
def device():
    """A network device on the host. It must not be there any more afterwards, wherever the test left it."""
    machine.need_program("ip")
    name = f"dv{os.getpid() % 100000}"
    made = subprocess.run(["ip", "link", "add", name, "type", "dummy"], capture_output=True, text=True)
    if made.returncode:
        made = subprocess.run(["ip", "link", "add", name, "type", "veth"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"cannot make a network device: {made.stderr.strip()}")
    yield name
    subprocess.run(["ip", "link", "del", name], capture_output=True)


def test_network_device_is_moved(box, device):
    c = box("ip", "addr", "show", "dev", device)
    subprocess.run(["ip", "addr", "add", "169.254.169.77/32", "dev", device], check=True)
    c.bundle.linux["netDevices"] = {device: {}}
    out = c.run().out
    assert "169.254.169.77/32" in out and "UP" in out


def test_network_device_is_renamed(box, device):
    c = box("ip", "addr", "show", "dev", "inner0")
    subprocess.run(["ip", "link", "set", device, "mtu", "1234"], check=True)
    c.bundle.linux["netDevices"] = {device: {"name": "inner0"}}
    assert "mtu 1234" in c.run().out


def test_network_device_that_does_not_exist(box):
    c = box("true")
    c.bundle.linux["netDevices"] = {"nothere0": {}}
    assert "nothere0" in c.fails().err


def test_network_device_without_a_network_namespace(box, device):
    c = box("true")
    c.bundle.drop_namespace("network")
    c.bundle.linux["netDevices"] = {device: {}}
    c.fails()
    assert os.path.exists(f"/sys/class/net/{device}")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "x" * 16, "a b", "a:b",
                                  pytest.param("a%d", marks=pytest.mark.davit)])
def test_bad_name_of_a_network_device(box, device, name):
    c = box("true")
    c.bundle.linux["netDevices"] = {device: {"name": name}} if name else {"": {}}
    c.fails()
    assert os.path.exists(f"/sys/class/net/{device}")


@pytest.mark.davit    # runc has other troubles without a mount namespace
def test_exec_without_a_mount_namespace_stays_in_the_root(box):
    c = box("sleep", "1000")
    c.bundle.drop_namespace("mount")
    c.bundle.config["mounts"] = []
    for name in ("maskedPaths", "readonlyPaths"):
        c.bundle.linux.pop(name, None)
    (c.bundle.rootfs / "marker").touch()
    c.up()
    assert "marker" in c.exec("ls", "/").out.split()
    assert "marker" in c.exec("ls", "/../..").out.split()
    assert c.exec("pwd").out == "/\n"
