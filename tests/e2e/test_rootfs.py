# SPDX-License-Identifier: Apache-2.0
"""What the runtime puts into the root: masked and read-only paths, /dev, devices; sysctl."""

import os
import stat
import subprocess

import pytest

from harness import machine


def test_masked_file_is_empty(box):
    c = box(script="wc -c </mnt/secret; echo x >/mnt/secret; wc -c </mnt/secret")
    (c.bundle.rootfs / "mnt/secret").write_text("secret\n")
    c.bundle.linux["maskedPaths"] = ["/mnt/secret"]
    assert c.run().out.split() == ["0", "0"]
    assert (c.bundle.rootfs / "mnt/secret").read_text() == "secret\n"


def test_masked_directory_is_empty_and_read_only(box):
    c = box(script="ls /mnt; touch /mnt/x")
    (c.bundle.rootfs / "mnt/secret").write_text("secret\n")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.linux["maskedPaths"] = ["/mnt"]
    result = c.run(status=1)
    assert result.out == "" and "Read-only" in result.err


def test_masked_default_paths(box):
    c = box(script="cat /proc/kcore /proc/keys /proc/timer_list | wc -c; ls /proc/scsi /proc/acpi /sys/firmware 2>/dev/null | grep -v :")
    assert c.run().out.split() == ["0"]


@pytest.mark.parametrize("path", ["/proc/timer_list", "/proc/keys"])
def test_masked_files_cannot_be_unmasked(box, path):
    c = box(script=f"umount {path}; wc -c <{path}")
    c.bundle.caps("CAP_SYS_CHROOT")
    assert c.run().out == "0\n"


def test_masked_path_that_does_not_exist(box):
    c = box("true")
    c.bundle.linux["maskedPaths"] = ["/nothing", "/nothing/below"]
    c.run()


@pytest.mark.davit    # runc refuses
def test_masked_path_below_a_file(box):
    c = box("true")
    c.bundle.linux["maskedPaths"] = ["/etc/passwd/below"]
    c.run()


def test_masked_twice_and_nested(box):
    c = box("ls", "/mnt")
    (c.bundle.rootfs / "mnt/a/b").mkdir(parents=True)
    c.bundle.linux["maskedPaths"] = ["/mnt/a/b", "/mnt/a/b", "/mnt", "/mnt/"]
    assert c.run().out == ""


def test_masked_symlink_is_followed_inside(box):
    c = box("cat", "/mnt/secret")
    (c.bundle.rootfs / "mnt/secret").write_text("secret\n")
    (c.bundle.rootfs / "link").symlink_to("/mnt/secret")
    c.bundle.linux["maskedPaths"] = ["/link"]
    assert c.run().out == ""


def test_masked_link_chain_out_of_the_root(box, work):
    """It may point where it likes: it is taken from the container's root, and the host is not touched."""
    (work / "outside").write_text("host\n")
    c = box("cat", "/mnt/f")
    (c.bundle.rootfs / "mnt/f").write_text("kept\n")
    (c.bundle.rootfs / "link").symlink_to(f"../../../../../..{work}/outside")
    c.bundle.linux["maskedPaths"] = ["/link"]
    assert c.run().out == "kept\n"
    assert (work / "outside").read_text() == "host\n"


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_many_paths(box, key):
    c = box("true")
    for i in range(300):
        (c.bundle.rootfs / f"mnt/d{i}").mkdir()
    c.bundle.linux[key] = [f"/mnt/d{i}" for i in range(300)]
    c.run()


def test_masked_directories_share_one_filesystem(box):
    """Dozens of masks must not be dozens of superblocks."""
    c = box("cat", "/proc/self/mountinfo")
    for i in range(5):
        (c.bundle.rootfs / f"mnt/d{i}").mkdir()
    c.bundle.linux["maskedPaths"] = [f"/mnt/d{i}" for i in range(5)]
    devices = {line.split()[2] for line in c.run().out.splitlines() if " /mnt/d" in line}
    assert len(devices) == 1


def test_readonly_paths(box):
    c = box(script="echo x >/mnt/ro/f; echo x >/mnt/file; echo y >/mnt/rw")
    (c.bundle.rootfs / "mnt/ro").mkdir()
    (c.bundle.rootfs / "mnt/file").write_text("")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.linux["readonlyPaths"] = ["/mnt/ro", "/mnt/file", "/missing"]
    assert c.run().err.count("Read-only") == 2
    assert (c.bundle.rootfs / "mnt/rw").read_text() == "y\n"


def test_readonly_path_keeps_other_flags(box):
    c = box("grep", " /mnt ", "/proc/self/mountinfo")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["nosuid", "noexec"])
    c.bundle.linux["readonlyPaths"] = ["/mnt"]
    assert {"ro", "nosuid", "noexec"} <= set(c.run().out.strip().splitlines()[-1].split()[5].split(","))


def test_proc_sys_is_read_only_by_default(box):
    assert "Read-only" in box(script="echo 1 >/proc/sys/kernel/randomize_va_space").run(status=1).err


def test_relative_and_strange_paths(box):
    c = box("true")
    for key in ("maskedPaths", "readonlyPaths"):
        c.bundle.linux[key] = ["/mnt/../mnt", "//mnt//"]
    c.run()


DEFAULTS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def test_default_devices(box):
    c = box(script="stat -c '%n %F %t:%T %a' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty")
    for line in c.run().out.splitlines():
        name, *kind, numbers, mode = line.split()
        major, minor = (int(n, 16) for n in numbers.split(":"))
        assert (major, minor) == DEFAULTS[name.removeprefix("/dev/")] and mode == "666" and kind[0] == "character"


def test_default_links(box):
    c = box(script="readlink /dev/fd; readlink /dev/stdin; readlink /dev/stdout; readlink /dev/stderr; readlink /dev/ptmx; echo through >/dev/stdout")
    assert c.run().out.split() == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx", "through"]


def test_nothing_else_in_dev(box):
    names = set(box("ls", "/dev").run().out.split())
    assert names <= {*DEFAULTS, "console", "core", "fd", "mqueue", "ptmx", "pts", "shm", "stdin", "stdout", "stderr"}


def device(path, kind="c", major=1, minor=5, **more):
    return {"path": path, "type": kind, "major": major, "minor": minor, **more}


@pytest.mark.parametrize("kind, text", [("c", "character"), ("b", "block"), ("p", "fifo"), ("u", "character")])
def test_devices(box, kind, text):
    c = box("stat", "-c", "%F", "/dev/thing")
    numbers = {"major": 0, "minor": 0} if kind == "p" else {}
    c.bundle.linux["devices"] = [device("/dev/thing", kind, **numbers)]
    assert text in c.run().out


def test_device_in_a_new_directory_with_mode_and_owner(box):
    c = box("stat", "-c", "%a %u:%g %t:%T", "/dev/dir/thing")
    c.bundle.linux["devices"] = [device("/dev/dir/thing", minor=7, fileMode=0o640, uid=1000, gid=5)]
    assert c.run().out == "640 1000:5 1:7\n"


def test_device_replaces_a_default_one(box):
    c = box("stat", "-c", "%a", "/dev/full")
    c.bundle.linux["devices"] = [device("/dev/full", minor=7, fileMode=0o600)]
    assert c.run().out == "600\n"


def test_devices_in_a_user_namespace(box):
    """There mknod is of no use: the host's node is bound."""
    machine.need_userns()
    c = box("head", "-c", "2", "/dev/zero")
    c.bundle.user_namespace()
    c.bundle.linux["devices"] = [device("/dev/zero")]
    rules(c, {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"})
    assert c.run().out == "\0\0"


def test_devices_outside_dev(box):
    c = box("stat", "-c", "%t:%T", "/mnt/null")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.linux["devices"] = [device("/mnt/null", minor=3)]
    assert c.run().out == "1:3\n"


def rules(c, *allowed):
    c.bundle.resources["devices"] = [{"allow": False, "access": "rwm"}, *allowed]


def kmsg(c):
    """A device that is not among the defaults; opening it takes CAP_SYSLOG, too."""
    c.bundle.linux["devices"] = [device("/dev/log2", minor=11, fileMode=0o666)]
    c.bundle.caps("CAP_SYSLOG", "CAP_MKNOD")


def test_default_devices_can_be_used(box):
    c = box(script="for d in null zero full random urandom; do : </dev/$d && echo $d; done; echo x >/dev/null")
    rules(c)
    assert c.run().out.split() == ["null", "zero", "full", "random", "urandom"]


def test_device_that_is_not_allowed(box):
    c = box(script="cat /dev/log2")
    rules(c)
    kmsg(c)
    assert "not permitted" in c.run(status=1).err


def test_device_that_is_allowed_in_part(box):
    c = box(script=": </dev/log2 && echo reads; : >/dev/log2")
    rules(c, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"})
    kmsg(c)
    result = c.run(status=1)
    assert result.out == "reads\n" and "not permitted" in result.err


def test_wildcard(box):
    c = box(script=": </dev/log2 && echo yes")
    rules(c, {"allow": True, "type": "c", "major": 1, "access": "rwm"})
    kmsg(c)
    assert c.run().out == "yes\n"


def test_hole_in_a_wildcard(box):
    """The files of v1 cannot say this, and on v2 we are as strict as runc: an error, never silence."""
    c = box(script=": </dev/zero && echo zero; : </dev/log2")
    rules(c, {"allow": True, "type": "c", "major": 1, "access": "rwm"},
          {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwm"})
    kmsg(c)
    assert "cannot punch hole in existing wildcard rule" in c.fails().err


def test_everything_allowed(box):
    c = box(script=": </dev/log2 && echo yes")
    c.bundle.resources["devices"] = [{"allow": True, "access": "rwm"}]
    kmsg(c)
    assert c.run().out == "yes\n"


def test_mknod_is_allowed_use_is_not(box):
    c = box(script="mknod /tmp/k c 1 11 && echo made; : </tmp/k")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.caps("CAP_MKNOD")
    rules(c)
    result = c.run(status=1)
    assert result.out == "made\n" and "not permitted" in result.err


def test_device_rules_hold_in_exec(box):
    c = box("sleep", "1000")
    rules(c)
    kmsg(c)
    c.up()
    assert "not permitted" in c.sh(": </dev/log2", status=1).err


SYSCTLS = [("kernel.shm_rmid_forced", "1"), ("kernel.msgmax", "4444"), ("fs.mqueue.msg_max", "9"),
           ("net.ipv4.ip_default_ttl", "77"), ("net.ipv4.ping_group_range", "0\t9"), ("kernel/msgmnb", "5555")]


@pytest.mark.parametrize("key, value", SYSCTLS)
def test_sysctl(box, key, value):
    path = "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))
    outside = open(path).read()
    c = box("cat", path)
    c.bundle.linux["sysctl"] = {key: value}
    assert c.run().out == value + "\n"
    assert open(path).read() == outside


def test_sysctl_of_a_device_with_a_dot(box):
    machine.need_file("/proc/sys/net/ipv4/conf/lo/forwarding")
    c = box("cat", "/proc/sys/net/ipv4/conf/lo/forwarding")
    c.bundle.linux["sysctl"] = {"net.ipv4.conf.lo.forwarding": "1"}
    assert c.run().out == "1\n"


@pytest.mark.parametrize("key", ["kernel.panic", "vm.swappiness", "kernel.hostname", "fs.file-max", "kernel.core_pattern",
                                 "net", "kernel.shm_nothing/../../vm/swappiness"])
def test_sysctl_that_is_not_the_containers(box, key):
    c = box("true")
    c.bundle.linux["sysctl"] = {key: "1"}
    assert key.split("/")[0] in c.fails().err


@pytest.mark.parametrize("key, kind", [("net.ipv4.ip_default_ttl", "network"), ("kernel.msgmax", "ipc")])
def test_sysctl_without_its_namespace(box, key, kind):
    c = box("true")
    c.bundle.drop_namespace(kind)
    c.bundle.linux["sysctl"] = {key: "64"}
    assert key in c.fails().err


def test_sysctl_with_a_bad_value(box):
    c = box("true")
    c.bundle.linux["sysctl"] = {"kernel.msgmax": "no number"}
    assert "msgmax" in c.fails().err


def test_host_devices_are_as_before(box):
    before = os.stat("/dev/null")
    box("true").run()
    after = os.stat("/dev/null")
    assert stat.S_ISCHR(after.st_mode) and (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)
    assert subprocess.run(["sh", "-c", "echo x >/dev/null"]).returncode == 0
