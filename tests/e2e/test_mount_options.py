# SPDX-License-Identifier: Apache-2.0
"""Mount options: every flag and its opposite, recursive ones, propagation, locked flags; idmapped mounts."""

import os
import subprocess

import pytest

from harness import machine
from test_mounts import MOUNTINFO, table

FLAGS = [("ro", "ro"), ("nosuid", "nosuid"), ("nodev", "nodev"), ("noexec", "noexec"), ("noatime", "noatime"),
         ("nodiratime", "nodiratime"), ("relatime", "relatime"), ("nosymfollow", "nosymfollow")]


@pytest.fixture
def tree(work):
    """A directory with a file, and a tmpfs with a file below it."""
    top = work / "tree"
    (top / "sub").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "sub", str(top / "sub")], check=True)
    for name in ("f", "sub/f"):
        (top / name).write_text("#!/bin/sh\necho ran\n")
        (top / name).chmod(0o755)
    yield top
    subprocess.run(["umount", "-R", str(top / "sub")], check=True)


def options_of(c, *paths):
    rows = table(c.run())
    return [rows[p][0] for p in paths]


@pytest.mark.parametrize("option, flag", FLAGS)
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_flag(box, work, option, flag, kind):
    if option == "nosymfollow":
        machine.need_kernel(5, 10, option)
    c = box(*MOUNTINFO)
    c.bundle.add_mount("/mnt", kind, work if kind == "bind" else "tmpfs",
                       [option] + (["bind"] if kind == "bind" else []))
    assert flag in options_of(c, "/mnt")[0]


def test_strictatime(box):
    c = box(*MOUNTINFO)
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["strictatime"])
    assert not {"relatime", "noatime"} & options_of(c, "/mnt")[0]


@pytest.mark.parametrize("options, absent", [
    (["ro", "rw"], "ro"), (["noexec", "exec"], "noexec"), (["nosuid", "suid"], "nosuid"), (["nodev", "dev"], "nodev"),
    (["noatime", "atime"], "noatime"),
    pytest.param(["noexec", "defaults", "exec"], "noexec", marks=pytest.mark.davit)])
def test_last_option_wins(box, options, absent):
    c = box(*MOUNTINFO)
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", options)
    assert absent not in options_of(c, "/mnt")[0]
    c.bundle.config["mounts"][-1]["options"] = [o for o in options if o != "defaults"][::-1]
    assert absent in options_of(c, "/mnt")[0]


def test_flags_are_felt(box, tree):
    c = box(script="/mnt/f; echo x >/mnt/new")
    c.bundle.add_mount("/mnt", "bind", tree, ["bind", "noexec", "ro"])
    error = c.run(status=1).err
    assert "Permission denied" in error and "Read-only" in error


def test_flags_of_the_source_stay_as_they_are(box, tree):
    c = box("true")
    c.bundle.add_mount("/mnt", "bind", tree / "sub", ["bind", "ro", "noexec"])
    c.run()
    line = next(line for line in open("/proc/self/mountinfo") if str(tree / "sub") in line)
    assert "ro" not in line.split()[5].split(",") and "noexec" not in line


def test_ro_is_not_recursive(box, tree):
    c = box(script="touch /mnt/sub/new && touch /mnt/new")
    c.bundle.add_mount("/mnt", "bind", tree, ["rbind", "ro"])
    assert "Read-only" in c.run(status=1).err
    assert (tree / "sub/new").exists()


RECURSIVE = [("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"),
             ("rnodiratime", "nodiratime"), ("rnoatime", "noatime"), ("rnosymfollow", "nosymfollow")]


@pytest.mark.parametrize("option, flag", RECURSIVE)
def test_recursive_flag(box, tree, option, flag):
    machine.need_kernel(5, 14 if "sym" in option else 12, option)
    c = box(*MOUNTINFO)
    c.bundle.add_mount("/mnt", "bind", tree, ["rbind", option])
    top, below = options_of(c, "/mnt", "/mnt/sub")
    assert flag in top and flag in below


@pytest.mark.parametrize("option, flag", [("rrw", "ro"), ("rsuid", "nosuid"), ("rdev", "nodev"), ("rexec", "noexec"),
                                          ("rdiratime", "nodiratime"), ("rsymfollow", "nosymfollow")])
def test_recursive_flag_cleared(box, tree, option, flag):
    machine.need_kernel(5, 14 if "sym" in option else 12, option)
    subprocess.run(["mount", "-o", f"remount,bind,{flag}", str(tree / "sub")], check=True)
    c = box(*MOUNTINFO)
    mount = c.bundle.add_mount("/mnt", "bind", tree, ["rbind", option])
    assert flag not in options_of(c, "/mnt/sub")[0]
    mount["options"] = ["rbind"]
    assert flag in options_of(c, "/mnt/sub")[0]


@pytest.mark.parametrize("option", ["ratime", "rnoatime", "rstrictatime", "rnostrictatime", "rrelatime", "rnorelatime"])
def test_recursive_atime_options_are_accepted(box, tree, option):
    machine.need_kernel(5, 12, option)
    c = box(*MOUNTINFO)
    c.bundle.add_mount("/mnt", "bind", tree, ["rbind", option])
    top, below = options_of(c, "/mnt", "/mnt/sub")
    expected = {"rnoatime": "noatime", "rrelatime": "relatime"}.get(option)
    assert expected is None or (expected in top and expected in below)


def test_recursive_and_plain_together(box, tree):
    machine.need_kernel(5, 12, "rro")
    c = box(*MOUNTINFO)
    c.bundle.add_mount("/mnt", "bind", tree, ["rbind", "rro", "nosuid"])
    top, below = options_of(c, "/mnt", "/mnt/sub")
    assert {"ro", "nosuid"} <= top and "ro" in below and "nosuid" not in below


@pytest.mark.parametrize("option, field", [("shared", "shared:"), ("slave", "master:"), ("private", None),
                                           ("rshared", "shared:"), ("rslave", "master:"), ("rprivate", None),
                                           ("unbindable", "unbindable")])
def test_propagation(box, work, option, field):
    source = work / "shared"
    source.mkdir()
    subprocess.run(["mount", "--bind", str(source), str(source)], check=True)
    subprocess.run(["mount", "--make-shared", str(source)], check=True)
    try:
        c = box(*MOUNTINFO)
        c.bundle.add_mount("/mnt", "bind", source, ["bind", option])
        fields = table(c.run())["/mnt"][4]
        assert any(f.startswith(field) for f in fields) if field else fields == []
    finally:
        subprocess.run(["umount", str(source)], check=True)


def test_slave_receives_what_the_host_mounts(box, work):
    source = work / "shared"
    (source / "sub").mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(source), str(source)], check=True)
    subprocess.run(["mount", "--make-shared", str(source)], check=True)
    try:
        c = box("sleep", "1000")
        c.bundle.linux["rootfsPropagation"] = "rslave"
        c.bundle.add_mount("/mnt", "bind", source, ["rbind", "rslave"])
        c.up()
        subprocess.run(["mount", "-t", "tmpfs", "later", str(source / "sub")], check=True)
        (source / "sub/late").touch()
        assert c.exec("ls", "/mnt/sub").out == "late\n"
        c.delete("--force")
    finally:
        subprocess.run(["umount", "-R", str(source)], check=True)


@pytest.mark.parametrize("value, field", [("private", None), ("rprivate", None), ("slave", ""), ("rslave", ""),
                                          ("shared", "shared:"), ("rshared", "shared:"),
                                          ("unbindable", "unbindable")])
def test_rootfs_propagation(box, work, value, field):
    """Slaves are accepted; whether one has a master depends on what the parent mount was before."""
    shared = work / "sharedroot"
    shared.mkdir()
    subprocess.run(["mount", "--bind", str(work), str(shared)], check=True)
    subprocess.run(["mount", "--make-shared", str(shared)], check=True)
    try:
        c = box(*MOUNTINFO)
        c.bundle.config["root"]["path"] = str(shared / c.bundle.rootfs.relative_to(work))
        c.bundle.linux["rootfsPropagation"] = value
        fields = table(c.run())["/"][4]
        assert fields == [] if field is None else not field or any(f.startswith(field) for f in fields)
        assert value == "shared" or value == "rshared" or not any(f.startswith("shared:") for f in fields)
    finally:
        subprocess.run(["umount", "-l", str(shared)], check=True)


def test_bad_rootfs_propagation(box):
    c = box("true")
    c.bundle.linux["rootfsPropagation"] = "sideways"
    assert "sideways" in c.fails().err


def test_locked_flags_survive_in_a_user_namespace(box, work):
    """ro of a bind must keep the nosuid and noexec that the mount came with."""
    machine.need_userns()
    source = work / "locked"
    source.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid,noexec,nodev", "x", str(source)], check=True)
    try:
        c = box(*MOUNTINFO)
        c.bundle.user_namespace()
        c.bundle.add_mount("/mnt", "bind", source, ["bind", "ro"])
        assert {"ro", "nosuid", "noexec", "nodev"} <= options_of(c, "/mnt")[0]
    finally:
        subprocess.run(["umount", str(source)], check=True)


@pytest.mark.davit    # runc resolves the source on the host
@pytest.mark.parametrize("options, survives", [(["nosuid"], True), (["rw"], False)])
def test_locked_flags_are_those_of_what_is_bound(box, work, options, survives):
    """The source is a path of the container that an earlier mount covers: not the directory on the host counts."""
    machine.need_userns()
    source = work / "locked"
    source.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,noexec", "x", str(source)], check=True)
    try:
        c = box(*MOUNTINFO)
        c.bundle.user_namespace()
        c.bundle.add_mount("/mnt", "bind", source, ["bind"])
        c.bundle.add_mount("/opt", "bind", c.bundle.rootfs / "mnt", ["bind", *options])
        if survives:
            assert {"ro", "nosuid", "noexec"} <= options_of(c, "/opt")[0]
        else:
            assert "cannot clear locked flags MS_RDONLY" in c.fails().err
    finally:
        subprocess.run(["umount", str(source)], check=True)


@pytest.mark.davit    # runc and crun hand unknown options of a bind to nobody
def test_bind_with_filesystem_data(box, work):
    c = box("true")
    c.bundle.add_mount("/mnt", "bind", work, ["bind", "size=64k"])
    assert "size=64k" in c.fails().err


# idmapped mounts

def mapping(inside, outside, size=65536):
    return [{"containerID": inside, "hostID": outside, "size": size}]


@pytest.fixture
def owned(work):
    machine.need_kernel(5, 12, "idmapped mounts")
    machine.need_userns()
    source = work / "owned"
    source.mkdir()
    for name, uid, gid in (("root", 0, 0), ("seven", 7, 8)):
        (source / name).touch()
        os.chown(source / name, uid, gid)
    return source


OWNERS = "stat -c %u:%g /mnt/root /mnt/seven"


def idmapped(c, source, *options, inside=0, outside=100000):
    maps = mapping(inside, outside)
    mount = c.bundle.add_mount("/mnt", "bind", source, ["bind", *options], uidMappings=maps, gidMappings=maps)
    return mount


def test_idmapped_in_a_user_namespace(box, owned):
    c = box(script=OWNERS + "; touch /mnt/new && stat -c %u:%g /mnt/new")
    c.bundle.user_namespace()
    idmapped(c, owned)
    assert c.run().out.split() == ["0:0", "7:8", "0:0"]
    assert (owned / "new").stat().st_uid == 0


def test_idmapped_without_a_user_namespace(box, owned):
    c = box(script=OWNERS)
    idmapped(c, owned)
    assert c.run().out.split() == ["100000:100000", "100007:100008"]


def test_not_idmapped_beside_idmapped(box, owned):
    c = box(script=OWNERS + "; stat -c %u:%g /home/root")
    c.bundle.user_namespace()
    idmapped(c, owned)
    c.bundle.add_mount("/home", "bind", owned, ["bind"])
    assert c.run().out.split()[2] == open("/proc/sys/kernel/overflowuid").read().strip() + ":65534"


def test_idmap_option_takes_the_containers_mapping(box, owned):
    c = box(script=OWNERS)
    c.bundle.user_namespace()
    c.bundle.add_mount("/mnt", "bind", owned, ["bind", "idmap"])
    assert c.run().out.split() == ["0:0", "7:8"]


@pytest.mark.parametrize("option, below", [("idmap", "65534"), ("ridmap", "3")])
def test_recursive_idmap(box, work, owned, option, below):
    (owned / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "sub", str(owned / "sub")], check=True)
    try:
        (owned / "sub/f").touch()
        os.chown(owned / "sub/f", 3, 3)
        c = box(script="stat -c %u /mnt/seven /mnt/sub/f")
        c.bundle.user_namespace()
        mount = idmapped(c, owned)
        mount["options"] = ["rbind", option]
        machine.need_kernel(6, 3, "idmapped tmpfs")
        assert c.run().out.split() == ["7", below]
    finally:
        subprocess.run(["umount", str(owned / "sub")], check=True)


def test_idmapped_with_other_options(box, owned):
    c = box(script="grep ' /mnt ' /proc/self/mountinfo; touch /mnt/x")
    c.bundle.user_namespace()
    idmapped(c, owned, "ro", "nosuid")
    result = c.run(status=1)
    assert {"ro", "nosuid"} <= set(result.out.split()[5].split(",")) and "Read-only" in result.err


def test_idmapped_mount_that_the_filesystem_cannot(box):
    """proc has no idmapped mounts; that is an error, never silence."""
    c = box("true")
    c.bundle.user_namespace()
    idmapped(c, "/proc/sys")
    assert "/proc/sys" in c.fails().err


@pytest.mark.davit    # runc: only binds
def test_idmapped_tmpfs_is_refused(box):
    c = box("true")
    c.bundle.user_namespace()
    maps = mapping(0, 100000)
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", [], uidMappings=maps, gidMappings=maps)
    assert "id-mapped mounts are only supported for bind-mounts" in c.fails().err


@pytest.mark.parametrize("maps", [{"uidMappings": mapping(0, 100000)}, {"gidMappings": mapping(0, 100000)}])
def test_only_one_of_both_mappings(box, owned, maps):
    c = box("true")
    c.bundle.add_mount("/mnt", "bind", owned, ["bind"], **maps)
    assert "mapping" in c.fails().err.lower()


def test_idmap_option_without_anything_to_map(box, owned):
    c = box("true")
    c.bundle.add_mount("/mnt", "bind", owned, ["bind", "idmap"])
    c.fails()
