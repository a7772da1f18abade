# SPDX-License-Identifier: Apache-2.0
"""Attacks by processes in a container on the runtime that enters it, and on what it hands over."""

import hashlib
import os
import shutil
import signal
import subprocess

import pytest

from harness import machine, runtime
from harness.wait import eventually


# CVE-2019-5736: the runtime's own program file, reached through /proc/self/exe.

@pytest.fixture
def copied(box, work):
    """The runtime under test is a copy that may be lost. It must be the same afterwards."""
    copy = work / os.path.basename(box.runtime.binary)
    shutil.copy(box.runtime.binary, copy)
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    original, box.runtime.binary = box.runtime.binary, str(copy)
    yield copy
    box.runtime.binary = original
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == digest, "the runtime was overwritten"
    assert subprocess.run([str(copy), "--version"], capture_output=True).returncode == 0


def attack_script(c, path="/attack"):
    """A script whose interpreter is the runtime itself."""
    target = c.bundle.rootfs / path.lstrip("/")
    target.write_text("#!/proc/self/exe\n")
    target.chmod(0o755)
    return path


ALL_CAPS = ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_CHOWN", "CAP_FOWNER", "CAP_SYS_PTRACE", "CAP_KILL")


def test_entry_point_is_the_runtime(box, copied):
    c = box("true")
    c.bundle.args(attack_script(c), "--version")
    c.run(status=None)
    c.bundle.args("/proc/self/exe", "init")
    c.run(status=None)


def test_exec_of_the_runtime(box, copied):
    c = box.running()
    attack_script(c)
    for program in ("/attack", "/proc/self/exe"):
        c.exec(program, status=None)
    assert c.exec("echo", "still").out == "still\n"


@pytest.mark.parametrize("caps", [(), ALL_CAPS], ids=["default", "many capabilities"])
def test_runtime_is_overwritten_while_it_enters(box, copied, helper, caps):
    c = box("watch", "exe")
    helper(c, "watch")
    attack_script(c)
    if caps:
        c.bundle.caps(*caps)
    c.up()
    c.wait_output("watching")
    for i in range(15):
        c.exec(*(["true"] if i % 3 else ["/proc/self/exe", "--version"]), status=None)
    c.exec("/attack", status=None)
    assert "overwritten" not in c.output().splitlines()    # its own root is read-only


def test_runtime_is_overwritten_while_it_creates(box, copied, helper):
    """A neighbour in the same pid namespace sees the runtime's stages of a new container."""
    first = box("watch", "exe")
    helper(first, "watch")
    first.bundle.caps(*ALL_CAPS)
    first.up()
    first.wait_output("watching")
    for _ in range(5):
        second = box("true")
        second.bundle.set_namespace("pid", f"/proc/{first.pid}/ns/pid")
        second.run()


# CVE-2016-9962: what is open in a process that is on its way into the container.

def foreign(c, text):
    """Targets that are none of the container's."""
    harmless = ("pipe:", "/dev/null", "socket:", "anon_inode:[pidfd]", "anon_inode:[eventpoll]", "/proc", "/bin/", "/dev/pts")
    out = []
    for line in text.splitlines():
        path, _, target = line.partition(" ")
        if path.startswith("/proc/") and target and target != "/" and not target.startswith(harmless) \
                and target != str(c.bundle.path / "out"):
            out.append(line)
    return out


def test_descriptors_of_a_process_that_enters(box, helper, work):
    c = box("watch", "fds")
    helper(c, "watch")
    c.up()
    c.wait_output("watching")
    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(30):
        c.exec("true", pass_fds=[held])
    os.close(held)
    assert foreign(c, c.output()) == []


def test_descriptors_of_a_neighbour_that_is_created(box, helper):
    first = box("watch", "fds")
    helper(first, "watch")
    first.up()
    first.wait_output("watching")
    for _ in range(5):
        second = box("true")
        second.bundle.set_namespace("pid", f"/proc/{first.pid}/ns/pid")
        second.run()
    assert foreign(first, first.output()) == []


# CVE-2024-21626: a working directory by the number of a leaked descriptor.

@pytest.fixture
def marked(work):
    """A directory of the host that the caller has open as numbers 3 to 40."""
    (work / "hostfile").write_text("the host\n")
    (work / "hostprogram").write_text("#!/bin/sh\necho the host\n")
    (work / "hostprogram").chmod(0o755)
    opened = [os.open(work, os.O_RDONLY | os.O_DIRECTORY) for _ in range(38)]
    yield opened
    for fd in opened:
        os.close(fd)


SEARCH = "cat hostfile ../hostfile ../../hostfile ../../../hostfile 2>/dev/null; pwd; true"


@pytest.mark.parametrize("fd", [*range(3, 21), 30])
@pytest.mark.parametrize("place", ["/proc/self/fd", "/proc/thread-self/fd"])
def test_working_directory_is_a_descriptor(box, marked, fd, place):
    c = box(script=SEARCH)
    c.bundle.process["cwd"] = f"{place}/{fd}"
    result = c.run(status=None, pass_fds=marked)
    assert "the host" not in result.out
    assert result.status == 0 and result.out.strip().startswith("/") or result.status != 0


def test_working_directory_is_a_link_to_a_descriptor(box, marked):
    c = box(script=SEARCH)
    for fd in range(3, 16):
        link = c.bundle.rootfs / f"link{fd}"
        link.symlink_to(f"/proc/self/fd/{fd}")
        c.bundle.process["cwd"] = f"/link{fd}"
        assert "the host" not in c.run(status=None, pass_fds=marked).out


def test_exec_in_the_directory_of_a_descriptor(box, marked):
    c = box.running()
    for fd in range(3, 25):
        result = c.exec("sh", "-c", SEARCH, options=["--cwd", f"/proc/self/fd/{fd}"], status=None, pass_fds=marked)
        assert "the host" not in result.out


def test_program_through_a_descriptor(box, marked):
    """args[0] = /proc/self/fd/N/../../bin/sh would run a program of the host."""
    c = box("true")
    for fd in range(3, 16):
        c.bundle.args(f"/proc/self/fd/{fd}/hostprogram")
        assert "the host" not in c.run(status=None, pass_fds=marked).out
        c.bundle.args("/bin/cat", f"/proc/self/fd/{fd}/hostfile")
        assert "the host" not in c.run(status=None, pass_fds=marked).out


# CVE-2022-29162, CVE-2022-27650: inheritable capabilities.

def test_no_inheritable_capabilities(box):
    c = box("grep", "CapInh", "/proc/self/status")
    assert not c.bundle.process["capabilities"].get("inheritable")
    assert int(c.run().out.split()[1], 16) == 0
    running = box.running()
    out = running.exec("grep", "CapInh", "/proc/self/status", options=["--cap", "CAP_CHOWN"]).out
    assert int(out.split()[1], 16) == 0


# CVE-2026-30892: the user of exec.

@pytest.mark.parametrize("user", ["1000x", "x1000", "-1", "1000:", ":5", "0x10", " 5", "5 ", "1000:5x", "1000:-1", "1000:5:6", "+5",
                                  "1e3", "1000\n", "4294967296", "4294967295", "1000:4294967296", "99999999999999999999"])
@pytest.mark.davit    # runc takes numbers that do not fit
def test_user_that_is_no_number(box, user):
    c = box.running()
    result = c.runtime("exec", f"--user={user}", c.id, "id", "-u", status=255)
    assert result.out == "" and result.err.strip()


# CVE-2014-8989: setgroups in a user namespace without privilege.

def test_setgroups_is_denied_to_users(box, work, probe):
    machine.need_userns()
    c = box("true", spec_args=["--rootless"])
    probe(c)
    c.bundle.linux["uidMappings"] = c.bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    c.bundle.caps("CAP_SETGID", "CAP_SETUID")
    c.bundle.sh("cat /proc/self/setgroups; exec probe 116 0 0")
    c.runtime = runtime.Runtime(c.runtime.binary, work / "inner", [
        "unshare", "--user", "--map-root-user", "--mount", "setpriv", "--bounding-set=-setgid", "--inh-caps=-setgid"])
    assert c.run().out.split() == ["deny", "errno", "1"]


# CVE-2023-25809: cgroups of the host in a rootless container without a cgroup namespace.

def test_host_cgroups_are_not_writable(box, work):
    machine.need_userns()
    c = box("true", spec_args=["--rootless"])
    c.bundle.linux["uidMappings"] = c.bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    c.bundle.drop_namespace("cgroup")
    c.bundle.sh("for d in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts); do "
                "mkdir $d/dv-intruder 2>/dev/null && rmdir $d/dv-intruder && echo $d; done; true")
    c.runtime = runtime.Runtime(c.runtime.binary, work / "inner", ["unshare", "--user", "--map-root-user", "--mount"])
    assert c.run().out == ""


# CVE-2021-43784: lengths that overflow the encoding between the runtime's stages.

@pytest.mark.parametrize("change", [
    lambda c: c.bundle.linux.update(namespaces=[{"type": "network", "path": "/" + "x" * 70000}]),
    lambda c: c.bundle.set_namespace("ipc", "/proc/self/ns/" + "/" * 66000 + "ipc"),
    lambda c: c.bundle.add_mount("/mnt", "bind", "/" + "y" * 70000, ["bind"]),
    lambda c: c.bundle.process.update(cwd="/" + "z" * 70000),
    lambda c: (c.bundle.user_namespace(), c.bundle.linux.update(uidMappings=[
        {"containerID": i, "hostID": 100000 + i, "size": 1} for i in range(5000)]))],
    ids=["namespace", "slashes", "mount", "cwd", "mappings"])
def test_oversized_values(box, change):
    """They fail, or work as they are written; nothing is cut and nothing is skipped."""
    c = box("readlink", "/proc/self/ns/net")
    change(c)
    result = c.run(status=None)
    assert result.status != 0 and result.err.strip() or result.out.strip() != os.readlink("/proc/self/ns/net")


# What a container can do to the runtime that waits for it.

def test_state_directory_is_closed(box):
    """Neither the fifo nor the state is reachable for other users."""
    c = box("sleep", "1000")
    c.create()
    seen = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "ls", str(c.runtime.root / c.id)],
                          capture_output=True)
    assert seen.returncode != 0


@pytest.mark.davit    # runc keeps more
def test_created_container_holds_nothing_but_its_fifo(box):
    """Above all no directory: a later exec could walk from it to the host (CVE-2024-21626)."""
    c = box("sleep", "1000")
    c.create()
    held = {fd: os.readlink(f"/proc/{c.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{c.pid}/fd")}
    assert [path for fd, path in held.items() if int(fd) > 2] == [str(c.runtime.root / c.id / "exec.fifo")]


def test_init_that_stops_itself_does_not_block_the_runtime(box):
    c = box(script="trap '' TERM; kill -STOP $$; sleep 1000").up()
    assert c.status in ("running", "stopped")
    c.delete("--force")


def test_fork_bomb_is_cleared_away(box):
    c = box(script="echo ready; f() { f & f & wait; }; f")
    c.bundle.resources["pids"] = {"limit": 100}
    c.up()
    c.wait_output("ready")
    eventually(lambda: int(c.limit("pids", "pids.current", "pids.current")) > 20, "it multiplies")
    c.delete("--force")


def test_parent_death_signal_and_subreaper_are_not_inherited(box):
    c = box("sleep", "1000")
    c.bundle.save()
    process = c.runtime.popen("run", "--bundle", c.bundle.path, c.id)
    eventually(lambda: c.runtime("state", c.id, status=None).status == 0 and c.status == "running", "it runs")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert c.status == "running"
