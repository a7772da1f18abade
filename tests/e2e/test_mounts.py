# SPDX-License-Identifier: Apache-2.0
"""The mounts of config.json: kinds, targets, order, tmpfs contents, cgroup, and what cannot be mounted."""

import os
import subprocess

import pytest

from harness import machine

MOUNTINFO = ("cat", "/proc/self/mountinfo")


def table(result):
    """mount point -> (options, type, source, super options, optional fields); the topmost wins."""
    rows = {}
    for line in result.out.splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        rows[fields[4]] = (set(fields[5].split(",")), rest[0], rest[1], set(rest[2].split(",")), fields[6:])
    return rows


def test_defaults(box):
    rows = table(box(*MOUNTINFO).run())
    kinds = {path: rows[path][1] for path in ("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys")}
    assert kinds == {"/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs",
                     "/dev/mqueue": "mqueue", "/sys": "sysfs"}
    assert {"nosuid", "noexec", "nodev", "ro"} <= rows["/sys"][0]
    assert {"nosuid", "noexec", "nodev"} <= rows["/dev/shm"][0]
    assert "ro" in rows["/"][0]
    assert {"mode=755", "size=65536k"} <= rows["/dev"][3]


@pytest.mark.davit    # runc needs /proc inside
def test_no_mounts_at_all(box):
    c = box("true")
    c.bundle.config["mounts"] = []
    c.bundle.linux.pop("maskedPaths")
    c.bundle.linux.pop("readonlyPaths")
    c.bundle.config["root"]["readonly"] = False
    c.run()


def test_nothing_of_the_host_is_left(box, work):
    text = box(*MOUNTINFO).run().out
    assert not [line for line in text.splitlines() if str(work) in line.split()[4]]


def test_writable_root(box):
    c = box(script="echo x >/file")
    c.bundle.config["root"]["readonly"] = False
    c.run()
    assert (c.bundle.rootfs / "file").read_text() == "x\n"


def test_read_only_root(box):
    assert "Read-only" in box(script="echo x >/file").run(status=1).err


def test_root_of_an_absolute_path(box):
    c = box("true")
    c.bundle.config["root"]["path"] = str(c.bundle.rootfs)
    c.run()


def test_bind_directory(box, work):
    source = work / "source"
    source.mkdir()
    (source / "file").write_text("inside\n")
    c = box(script="cat /mnt/file; echo new >/mnt/new")
    c.bundle.add_mount("/mnt", "bind", source, ["bind"])
    assert c.run().out == "inside\n"
    assert (source / "new").read_text() == "new\n"


def test_bind_file_makes_its_target(box, work):
    (work / "file").write_text("hello\n")
    c = box("cat", "/new/dir/file")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.add_mount("/new/dir/file", "bind", work / "file", ["bind", "ro"])
    assert c.run().out == "hello\n"


def test_relative_source_belongs_to_the_bundle(box):
    c = box("cat", "/mnt/f")
    (c.bundle.path / "data").mkdir()
    (c.bundle.path / "data/f").write_text("relative\n")
    c.bundle.add_mount("/mnt", "bind", "data", ["bind"])
    assert c.run().out == "relative\n"


def test_relative_destination(box, work):
    c = box(script="test -d /mnt && grep -c ' /mnt ' /proc/self/mountinfo")
    c.bundle.add_mount("mnt", "tmpfs", "tmpfs")
    assert c.run().out == "1\n"


def test_bind_without_a_type(box, work):
    c = box("ls", "/mnt")
    (work / "name").touch()
    mount = c.bundle.add_mount("/mnt", None, work, ["rbind", "ro"])
    assert "type" not in mount
    assert "name" in c.run().out.split()


def test_recursive_bind(box, work):
    source = work / "source"
    (source / "sub").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "sub", str(source / "sub")], check=True)
    (source / "sub/file").touch()
    try:
        c = box("ls", "/mnt/sub")
        mount = c.bundle.add_mount("/mnt", "bind", source, ["rbind"])
        assert c.run().out == "file\n"
        mount["options"] = ["bind"]
        assert c.run().out == ""
    finally:
        subprocess.run(["umount", str(source / "sub")], check=True)


def test_listed_order_counts(box, work):
    c = box("cat", "/mnt/sub/f")
    (work / "f").write_text("bound\n")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs")
    c.bundle.add_mount("/mnt/sub", "bind", work, ["bind"])
    assert c.run().out == "bound\n"


def test_later_mount_covers_an_earlier_one(box):
    c = box("ls", "/mnt")
    c.bundle.add_mount("/mnt/hidden", "tmpfs", "tmpfs")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs")
    c.bundle.config["root"]["readonly"] = False
    assert c.run().out == ""


def test_source_on_an_earlier_mount(box):
    """A bind of something that only exists inside the new root, named by its path outside."""
    c = box("ls", "/mnt")
    c.bundle.add_mount("/tmp", "tmpfs", "tmpfs", ["mode=1777"])
    source = c.bundle.rootfs / "home"
    c.bundle.add_mount("/mnt", "bind", source, ["bind"])
    assert c.run().out == "boat\n"


@pytest.mark.parametrize("options, mode, size", [
    (["mode=1777", "size=64k"], "1777", "16"), (["mode=700", "size=1m"], "700", "256"), (["size=4096"], None, "1")])
def test_tmpfs(box, options, mode, size):
    c = box(script="stat -c %a /mnt; stat -f -c %b /mnt")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", options)
    got_mode, blocks = c.run().out.split()
    assert blocks == size and got_mode == (mode or got_mode)


def test_tmpfs_keeps_the_mode_of_what_it_covers(box):
    c = box("stat", "-c", "%a", "/mnt")
    (c.bundle.rootfs / "mnt").chmod(0o751)
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs")
    assert c.run().out == "751\n"


def test_tmpfs_on_a_new_directory(box):
    c = box("stat", "-c", "%a", "/new")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.add_mount("/new", "tmpfs", "tmpfs")
    assert c.run().out in ("755\n", "1777\n")


def test_tmpfs_with_owner(box):
    c = box("stat", "-c", "%u:%g", "/mnt")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["uid=1000", "gid=5"])
    assert c.run().out == "1000:5\n"


def test_tmpcopyup(box):
    c = box(script="cat /etc/passwd | head -n 1; ls -l /etc/link; stat -c '%a %u' /etc/dir; cat /etc/dir/f; echo w >/etc/new")
    root = c.bundle.rootfs / "etc"
    (root / "dir").mkdir()
    (root / "dir/f").write_text("deep\n")
    (root / "dir").chmod(0o750)
    os.chown(root / "dir", 1000, 1000)
    (root / "link").symlink_to("/bin/sh")
    c.bundle.add_mount("/etc", "tmpfs", "tmpfs", ["tmpcopyup"])
    c.bundle.caps("CAP_DAC_OVERRIDE")
    out = c.run().out
    assert "root:x:0:0" in out and "/etc/link -> /bin/sh" in out and "750 1000" in out and "deep" in out
    assert not (root / "new").exists()


def test_tmpcopyup_read_only(box):
    c = box(script="cat /etc/passwd | head -n 1; touch /etc/new")
    c.bundle.add_mount("/etc", "tmpfs", "tmpfs", ["tmpcopyup", "ro"])
    result = c.run(status=1)
    assert "root:x:0:0" in result.out and "Read-only" in result.err


def test_proc_belongs_to_the_pid_namespace(box):
    names = box("ls", "/proc").run().out.split()
    assert [n for n in names if n.isdigit()] == ["1"]


def test_mount_over_symlink_stays_inside(box):
    """An absolute link in the root filesystem is taken from the container's root."""
    c = box(script="grep -c ' /real/place ' /proc/self/mountinfo; ls /real")
    (c.bundle.rootfs / "link").symlink_to("/real/place")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.add_mount("/link", "tmpfs", "tmpfs")
    assert c.run().out.split() == ["1", "place"]
    assert not os.path.exists("/real")


def test_file_over_directory_and_the_other_way_round(box, work):
    (work / "file").touch()
    c = box("true")
    c.bundle.add_mount("/mnt", "bind", work / "file", ["bind"])
    c.fails()
    c.bundle.config["mounts"].pop()
    (c.bundle.rootfs / "etc/thing").touch()
    c.bundle.add_mount("/etc/thing", "bind", work, ["bind"])
    c.fails()


def test_source_that_does_not_exist(box):
    c = box("true")
    c.bundle.add_mount("/mnt", "bind", "/does/not/exist", ["bind"])
    assert "/does/not/exist" in c.fails().err


def test_unknown_filesystem(box):
    c = box("true")
    c.bundle.add_mount("/mnt", "fantasyfs", "x")
    error = c.fails().err
    assert "/mnt" in error and ("no such device" in error.lower() or "fantasyfs" in error)


def test_unknown_tmpfs_option(box):
    c = box("true")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["fantasy=1"])
    assert "/mnt" in c.fails().err


def test_two_bundles_can_share_a_root(box):
    first, second = box("sleep", "1000"), box(script="echo second")
    second.bundle.config["root"]["path"] = str(first.bundle.rootfs)
    first.up()
    assert second.run().out == "second\n"


def test_cgroup_mount_shows_the_containers_own(box):
    c = box(script="cat /proc/self/cgroup; find /sys/fs/cgroup -name '*davit*' -o -name 't*-1'")
    c.bundle.set_namespace("cgroup")
    lines = c.run().out.splitlines()
    assert lines and all(line.endswith(":/") for line in lines), lines


def test_cgroup_mount_is_read_only(box):
    path = "/sys/fs/cgroup/pids/new" if machine.cgroup_mode() != "v2" else "/sys/fs/cgroup/new"
    assert "Read-only" in box("mkdir", path).run(status=1).err


def test_cgroup_mount_writable(box):
    path = "/sys/fs/cgroup/pids/new" if machine.cgroup_mode() != "v2" else "/sys/fs/cgroup/new"
    c = box(script=f"mkdir {path} && rmdir {path}")
    c.bundle.mount_at("/sys/fs/cgroup")["options"].remove("ro")
    c.run()


def test_cgroup_mount_without_a_cgroup_namespace(box):
    """v1 has only the container's own part of each tree; v2 shows the whole one, as runc does."""
    c = box(script="[ -d /sys/fs/cgroup/pids ] && cat /sys/fs/cgroup/pids/pids.max || "
                   "cat /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup)/pids.max")
    c.bundle.drop_namespace("cgroup")
    c.bundle.resources["pids"] = {"limit": 77}
    assert c.run().out == "77\n"


def test_dev_may_be_bound_from_the_host(box):
    c = box(script="echo x >/dev/null; ls /dev/null /dev/pts >/dev/null")
    for path in ("/dev/pts", "/dev/shm", "/dev/mqueue"):
        c.bundle.drop_mount(path)
    c.bundle.mount_at("/dev").update(type="bind", source="/dev", options=["rbind", "ro"])
    before = sorted(os.listdir("/dev"))
    c.run()
    assert sorted(os.listdir("/dev")) == before


def test_hundred_mounts(box):
    c = box(script="grep -c ' /mnt/' /proc/self/mountinfo")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs")
    for i in range(100):
        c.bundle.add_mount(f"/mnt/{i}", "tmpfs", "tmpfs", ["size=4k"])
    assert c.run().out == "100\n"
