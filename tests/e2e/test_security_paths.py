# SPDX-License-Identifier: Apache-2.0
"""Attacks by what an image contains: links in the root file system that point at the host.

Each test names the advisories whose attack it tries. `outside` is a directory of the host; whatever
happens, it must stay as it is, and the container must not see what is in it.
"""

import os
import subprocess

import pytest

from harness.terminal import FdSocket, Terminal

SECRET = "the host's secret\n"


@pytest.fixture
def outside(work):
    path = work / "outside"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_text(SECRET)

    def snapshot():
        out = []
        for directory, names, files in os.walk(path):
            for name in sorted(names + files):
                status = os.lstat(os.path.join(directory, name))
                out.append((directory, name, status.st_mode, status.st_uid, status.st_ino, status.st_size))
        return sorted(out)
    before = snapshot()
    yield path
    assert snapshot() == before, "the host was changed"
    assert (path / "file").read_text() == SECRET
    assert not [line for line in open("/proc/self/mountinfo") if f" {path}" in line], "the host got a mount"


def ways_out(c, outside):
    """Links that lead to @outside for whoever follows them on the host."""
    up = os.path.relpath(outside, c.bundle.rootfs)
    return {"absolute": str(outside), "relative": up, "climbing": "../" * 40 + str(outside).lstrip("/"),
            "proc": f"/proc/1/root{outside}", "self": f"/proc/self/root{outside}", "cwd": "/proc/self/cwd/../" + up}


WAYS = ["absolute", "relative", "climbing", "proc", "self", "cwd"]


@pytest.fixture(params=WAYS)
def linked(request, box, outside):
    """A container with a link /link in its root that leads out."""
    c = box("true")
    c.bundle.config["root"]["readonly"] = False
    (c.bundle.rootfs / "link").symlink_to(ways_out(c, outside)[request.param])
    return c


def run_without_the_secret(c):
    """It may fail or work inside its root; it may not show the secret."""
    result = c.run(status=None)
    assert SECRET not in result.out
    return result


def test_mount_target(linked):
    """CVE-2021-30465, CVE-2023-27561"""
    linked.bundle.add_mount("/link/sub", "tmpfs", "tmpfs")
    linked.bundle.sh("cat /link/file")
    run_without_the_secret(linked)


def test_mount_target_that_must_be_made(linked, work):
    """CVE-2024-45310: directories and files made on the host"""
    (work / "source").touch()
    linked.bundle.add_mount("/link/new/dir", "tmpfs", "tmpfs")
    linked.bundle.add_mount("/link/newfile", "bind", work / "source", ["bind"])
    run_without_the_secret(linked)


def test_masked_and_read_only_paths(linked):
    """CVE-2019-18837, CVE-2025-31133"""
    linked.bundle.linux["maskedPaths"] = ["/link/file", "/link/sub"]
    linked.bundle.linux["readonlyPaths"] = ["/link"]
    run_without_the_secret(linked)


def test_device_nodes(linked):
    """CVE-2026-41579"""
    linked.bundle.linux["devices"] = [{"path": "/link/zero", "type": "c", "major": 1, "minor": 5},
                                      {"path": "/link/new/zero", "type": "c", "major": 1, "minor": 5}]
    run_without_the_secret(linked)


def test_working_directory(linked):
    """CVE-2024-21626: entered, and made where it is missing"""
    linked.bundle.process["cwd"] = "/link"
    linked.bundle.sh("cat file; ls")
    run_without_the_secret(linked)
    linked.bundle.process["cwd"] = "/link/new/dir"
    run_without_the_secret(linked)


def test_working_directory_of_exec(linked):
    linked.bundle.args("sleep", "1000")
    linked.up()
    for cwd in ("/link", "/link/new"):
        assert SECRET not in linked.exec("cat", "file", options=["--cwd", cwd], status=None).out


def test_program(linked, outside):
    linked.bundle.args("/link/program")
    linked.run(status=None)
    assert SECRET not in linked.run(status=None).out


def test_tmpcopyup(linked):
    """What is copied comes from the container's root."""
    linked.bundle.add_mount("/link", "tmpfs", "tmpfs", ["tmpcopyup"])
    linked.bundle.sh("cat /link/file")
    run_without_the_secret(linked)


def test_links_inside_tmpcopyup(box, outside):
    """A link in the copied tree stays a link."""
    c = box(script="cat /etc/link /etc/dirlink/file; readlink /etc/link")
    (c.bundle.rootfs / "etc/link").symlink_to(outside / "file")
    (c.bundle.rootfs / "etc/dirlink").symlink_to(outside)
    c.bundle.add_mount("/etc", "tmpfs", "tmpfs", ["tmpcopyup"])
    assert c.run().out == f"{outside}/file\n"


def test_passwd_and_group_are_links(box, outside):
    """HOME is looked up in the container's file."""
    (outside / "file").read_text()
    c = box(script="echo $HOME")
    (c.bundle.rootfs / "etc/passwd").unlink()
    (c.bundle.rootfs / "etc/passwd").symlink_to(os.path.relpath("/etc/passwd", c.bundle.rootfs / "etc"))
    c.bundle.process["user"] = {"uid": os.stat("/").st_uid, "gid": 0}
    assert c.run().out in ("/\n", "/root\n")


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("way", ["absolute", "relative", "inside"])
def test_kernel_filesystems_on_a_link(box, outside, name, way):
    """CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2026-41579, CVE-2026-47766"""
    c = box("true")
    target = c.bundle.rootfs / name
    target.rmdir()
    (c.bundle.rootfs / "elsewhere").mkdir()
    target.symlink_to({**ways_out(c, outside), "inside": "/elsewhere"}[way])
    result = c.run(status=None)
    if name != "dev":
        assert result.status != 0 and "must be mounted on ordinary directory" in result.err


@pytest.mark.parametrize("way", ["absolute", "relative"])
def test_dev_link_without_a_mount(box, outside, way):
    """CVE-2026-41579: nodes and links made behind an image's /dev link"""
    c = box("true")
    for path in ("/dev/mqueue", "/dev/shm", "/dev/pts", "/dev"):
        c.bundle.drop_mount(path)
    (c.bundle.rootfs / "dev").rmdir()
    (c.bundle.rootfs / "dev").symlink_to(ways_out(c, outside)[way])
    c.bundle.config["root"]["readonly"] = False
    c.run(status=None)


@pytest.mark.parametrize("name", ["null", "console", "ptmx", "fd", "zero"])
def test_names_in_an_images_dev(box, outside, name):
    """Without a mount on /dev, the image's own links are there first."""
    c = box("head", "-c", "100", f"/dev/{name}")
    for path in ("/dev/mqueue", "/dev/shm", "/dev/pts", "/dev"):
        c.bundle.drop_mount(path)
    c.bundle.config["root"]["readonly"] = False
    (c.bundle.rootfs / "dev" / name).symlink_to(os.path.relpath(outside / "file", c.bundle.rootfs / "dev"))
    run_without_the_secret(c)


def controlled_dev(c):
    """/dev is a directory that an attacker writes to (a shared volume), with real nodes in it."""
    source = c.bundle.path / "devdir"
    source.mkdir()
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        os.mknod(source / name, 0o020666, os.makedev(1, minor))
        (source / name).chmod(0o666)
    os.mknod(source / "tty", 0o020666, os.makedev(5, 0))
    (source / "pts").mkdir()
    for path in ("/dev/mqueue", "/dev/shm"):
        c.bundle.drop_mount(path)
    c.bundle.mount_at("/dev").update(type="bind", source=str(source), options=["rbind", "rw"])
    return source


@pytest.mark.parametrize("target", ["/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/version"])
def test_null_is_a_link_when_paths_are_masked(box, outside, target):
    """CVE-2025-31133: the link's target would be bound, writable, in place of the mask"""
    c = box(script="cat /mnt/secret; echo x >/mnt/secret; grep ' /mnt/secret ' /proc/self/mountinfo")
    source = controlled_dev(c)
    (source / "null").unlink()
    (source / "null").symlink_to(target)
    (c.bundle.rootfs / "mnt/secret").write_text("masked\n")
    c.bundle.linux["maskedPaths"] = ["/mnt/secret"]
    before = open("/proc/sys/kernel/core_pattern").read()
    result = c.run(status=None)
    assert "root:" not in result.out and "masked" not in result.out and "Linux version" not in result.out
    assert before not in result.out
    assert open("/proc/sys/kernel/core_pattern").read() == before


@pytest.mark.parametrize("name, target", [("console", "/etc/passwd"), ("console", "/proc/sys/kernel/hostname"),
                                          ("pts/0", "/etc/passwd"), ("ptmx", "/etc/passwd"), ("console", "out")])
def test_console_is_a_link(box, outside, work, name, target):
    """CVE-2025-52565: the terminal would be bound over the link's target, or the target given out as terminal"""
    c = box(script="grep -e ' /etc/passwd ' -e hostname -e outside /proc/self/mountinfo; cat /etc/passwd; echo done; sleep 100")
    source = controlled_dev(c)
    path = source / name
    path.symlink_to(os.path.relpath(outside / "file", source) if target == "out" else target)
    c.bundle.process["terminal"] = True
    console = FdSocket(work / "console")
    c.bundle.save()
    null = subprocess.DEVNULL
    created = subprocess.run(c.runtime.command("create", "--bundle", c.bundle.path, "--console-socket", console.path, c.id),
                             stdin=null, stdout=null, stderr=null, timeout=60)
    if created.returncode == 0:
        master, _ = console.receive()
        assert os.isatty(master)
        c.start()
        text = Terminal(master).read_until("done")
        assert "root:x:0:0" in text and " - devpts" not in text and SECRET not in text
        os.close(master)
    console.close()


@pytest.mark.parametrize("destination", ["/proc/self/attr", "/proc/sys", "/proc/sys/net", "/proc/self", "/proc/1/attr/exec",
                                         "/proc/sysrq-trigger", "/proc/../proc/sys", "proc/self/task", "/proc/thread-self"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_mounts_over_proc(box, outside, destination, kind):
    """CVE-2019-16884, CVE-2025-52881: what the runtime writes to must be the real thing"""
    c = box("true")
    c.bundle.add_mount(destination, kind, outside if kind == "bind" else "tmpfs", ["bind"] if kind == "bind" else [])
    assert "proc" in c.fails().err


def test_proc_that_is_no_procfs(box, outside):
    """CVE-2019-16884"""
    c = box("true")
    c.bundle.mount_at("/proc").update(type="bind", source=str(outside), options=["rbind"])
    c.fails()


@pytest.mark.parametrize("link, destination", [("/proc/sys/net/ipv4", "/x"), ("/proc", "/x/sys/net/ipv4"), ("/proc/self", "/x/attr")])
def test_mounts_over_proc_through_a_link(box, link, destination):
    """CVE-2025-52881"""
    c = box("cat", "/proc/sys/net/ipv4/ip_default_ttl")
    (c.bundle.rootfs / "x").symlink_to(link)
    c.bundle.add_mount(destination, "tmpfs", "tmpfs")
    c.bundle.linux["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
    before = open("/proc/sys/net/ipv4/ip_default_ttl").read()
    result = c.run(status=None)
    assert result.status != 0 or result.out == "77\n"
    assert open("/proc/sys/net/ipv4/ip_default_ttl").read() == before


def test_lxcfs_files_are_still_allowed(box, work):
    """The known harmless files of proc may be mounted over, from a procfs."""
    c = box("cat", "/proc/uptime")
    c.bundle.add_mount("/proc/uptime", "bind", "/proc/uptime", ["bind", "ro"])
    c.run()


def test_root_itself_is_a_link(box, outside):
    c = box("ls", "/")
    real = c.bundle.rootfs.rename(c.bundle.path / "real")
    c.bundle.rootfs.symlink_to(outside)
    result = c.run(status=None)
    assert result.status != 0 or "file" not in result.out.split()
    assert real.exists()
