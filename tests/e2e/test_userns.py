# SPDX-License-Identifier: Apache-2.0
"""User namespaces: mappings, ownership, joining, and mount sources that only the caller can reach."""

import os
import subprocess

import pytest

from harness import machine


@pytest.fixture(autouse=True)
def need():
    machine.need_userns()


def test_mappings(box):
    c = box(script="cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c '%u:%g' /bin/busybox")
    c.bundle.user_namespace(first=100000, size=1000)
    assert c.run().out.split() == ["0", "100000", "1000", "0", "100000", "1000", "0", "0:0"]


def test_several_ranges(box):
    c = box("cat", "/proc/self/uid_map")
    c.bundle.user_namespace()
    c.bundle.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 10},
                                     {"containerID": 10, "hostID": 200000, "size": 20},
                                     {"containerID": 1000, "hostID": 300000, "size": 1}]
    assert c.run().out.split() == "0 100000 10 10 200000 20 1000 300000 1".split()


def test_process_is_that_user_outside(box):
    c = box("sleep", "1000")
    c.bundle.user_namespace()
    c.bundle.process["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
    c.up()
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{c.pid}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["100005"] * 4
    assert status["Gid"].split() == ["100006"] * 4
    assert status["Groups"].split() == ["100007"]


def test_user_that_is_not_mapped(box):
    c = box("true")
    c.bundle.user_namespace(size=10)
    c.bundle.process["user"] = {"uid": 5000, "gid": 0}
    c.fails()


def test_devices_and_mounts_work(box):
    c = box(script="echo x >/dev/null && head -c 4 /dev/zero | wc -c && ls /proc/1 >/dev/null && "
                   "cat /dev/urandom | head -c 3 | wc -c && echo shm >/dev/shm/f && cat /dev/shm/f && ls /sys >/dev/null")
    c.bundle.user_namespace()
    assert c.run().out.split() == ["4", "3", "shm"]


def test_root_inside_is_nobody_outside(box, work):
    secret = work / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    c = box("cat", "/mnt/secret")
    c.bundle.user_namespace()
    c.bundle.add_mount("/mnt", "bind", work, ["bind"])
    assert "Permission denied" in c.run(status=1).err


def test_mount_source_that_only_the_caller_reaches(box, work):
    """The mapped root could not walk there; the runtime opens it."""
    hidden = work / "hidden"
    (hidden / "inner").mkdir(parents=True)
    (hidden / "inner/file").write_text("seen\n")
    hidden.chmod(0o700)
    c = box("cat", "/mnt/file")
    c.bundle.user_namespace()
    c.bundle.add_mount("/mnt", "bind", hidden / "inner", ["bind", "ro"])
    assert c.run().out == "seen\n"


def test_joined_by_path(box):
    first = box("sleep", "1000")
    first.bundle.user_namespace()
    first.up()
    second = box("cat", "/proc/self/uid_map")
    second.bundle.user_namespace()
    second.bundle.set_namespace("user", f"/proc/{first.pid}/ns/user")
    del second.bundle.linux["uidMappings"], second.bundle.linux["gidMappings"]
    assert second.run().out.split() == ["0", "100000", "65536"]


def test_joined_together_with_its_other_namespaces(box):
    first = box("sleep", "1000")
    first.bundle.user_namespace()
    first.up()
    second = box(script="for n in user net ipc; do readlink /proc/self/ns/$n; done")
    second.bundle.user_namespace()
    del second.bundle.linux["uidMappings"], second.bundle.linux["gidMappings"]
    for kind, name in (("user", "user"), ("network", "net"), ("ipc", "ipc")):
        second.bundle.set_namespace(kind, f"/proc/{first.pid}/ns/{name}")
    assert second.run().out.split() == [os.readlink(f"/proc/{first.pid}/ns/{n}") for n in ("user", "net", "ipc")]


def test_joined_with_other_mappings(box):
    first = box("sleep", "1000")
    first.bundle.user_namespace()
    first.up()
    second = box("true")
    second.bundle.user_namespace(first=300000)
    second.bundle.set_namespace("user", f"/proc/{first.pid}/ns/user")
    second.fails()


def test_network_namespace_of_somebody_else(box, work):
    """A new user namespace beside a joined network namespace that it does not own: sysfs cannot be mounted."""
    path = work / "netns"
    path.touch()
    subprocess.run(["unshare", "--net", "mount", "--bind", "/proc/self/ns/net", str(path)], check=True)
    try:
        c = box("readlink", "/proc/self/ns/net")
        c.bundle.user_namespace()
        c.bundle.set_namespace("network", path)
        c.bundle.drop_mount("/sys")
        c.bundle.drop_mount("/sys/fs/cgroup")
        c.bundle.add_mount("/sys", "bind", "/sys", ["rbind", "ro"])
        assert c.run().out.strip() == f"net:[{path.stat().st_ino}]"
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.davit    # as crun and Podman do; runc refuses
def test_sysfs_of_a_network_that_is_not_ours_is_bound(box):
    c = box(script="ls /sys/class/net; touch /sys/x")
    c.bundle.user_namespace()
    c.bundle.drop_namespace("network")
    result = c.run(status=1)
    assert "lo" in result.out.split() and "Read-only file system" in result.err


@pytest.mark.parametrize("mapping", [
    {"containerID": 0, "hostID": 100000, "size": 0}, {"containerID": 0, "hostID": -1, "size": 10},
    {"containerID": 0, "hostID": 4294967290, "size": 100}])
def test_bad_mapping(box, mapping):
    c = box("true")
    c.bundle.user_namespace()
    c.bundle.linux["uidMappings"] = [mapping]
    c.fails()


def test_overlapping_mappings(box):
    c = box("true")
    c.bundle.user_namespace()
    c.bundle.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 100},
                                     {"containerID": 50, "hostID": 200000, "size": 100}]
    c.fails()


def test_tmp_and_home_files_belong_inside(box):
    c = box(script="echo x >/tmp/new && stat -c '%u:%g' /tmp/new")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.user_namespace()
    assert c.run().out == "0:0\n"
    assert (c.bundle.rootfs / "tmp/new").stat().st_uid == 100000


def test_exec_as_another_user(box):
    c = box("sleep", "1000")
    c.bundle.user_namespace()
    c.up()
    assert c.exec("id", "-u", options=["-u", "7"]).out == "7\n"
    pid = c.spawn("sleep", "1000", options=["-u", "7"])
    assert "Uid:\t100007" in open(f"/proc/{pid}/status").read()


def test_mqueue_and_shm_belong_to_the_new_root(box):
    c = box(script="stat -c '%u' /dev/shm /dev/pts/ptmx; touch /dev/mqueue/q && ls /dev/mqueue")
    c.bundle.user_namespace()
    assert c.run().out.split() == ["0", "0", "q"]


def test_oom_score_in_a_joined_namespace(box):
    """There the process is the child of a child, which may be faster than its parent."""
    first = box("sleep", "1000")
    first.bundle.user_namespace()
    first.up()
    second = box("sleep", "1000")
    second.bundle.set_namespace("user", f"/proc/{first.pid}/ns/user")
    second.bundle.process["oomScoreAdj"] = 321
    for _ in range(5):
        second.create()
        with open(f"/proc/{second.pid}/oom_score_adj") as file:
            assert file.read() == "321\n"
        second.delete("--force")
